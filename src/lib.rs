//! mammo-pipe
