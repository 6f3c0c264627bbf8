//! Errors that stop a run.
//!
//! If only one file is bad, the error is a rejection (`preprocess::Reject`): the file is
//! quarantined and the run continues. Otherwise it is a [`Fault`]: the run stops, and no output is
//! left half-written.
//!
//! Each module defines its own error, and with `faults!` makes it convertible into a `Fault`.
//! [`Fault::cause`] returns the error of a module again.

use std::error::Error;
use std::path::PathBuf;

/// An error that stops a run: one that every module can meet, or the error of one module.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A file operation failed.
    #[error("{path}")]
    Io {
        /// The file, or what the operation was about.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file is not valid JSON, or not the JSON that is needed.
    #[error("{path}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// A file exists with other content than this run would write.
    #[error("{path} exists already with other content")]
    Conflict {
        /// The file.
        path: PathBuf,
    },
    /// A file exists that this program did not make.
    #[error(
        "{path} is there already and was not made by mammo-pipe; give another name, or --force \
         to replace it"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A folder holds files that this program did not make.
    #[error("{path} holds {name}, which was not made by mammo-pipe; give a new or an empty folder")]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// The name of one of the files.
        name: String,
    },
    /// The error of one module.
    #[error(transparent)]
    Cause(Box<dyn Error + Send + Sync>),
}

impl Fault {
    /// Adds the path to an input/output error, for `map_err`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    /// Adds the path to an error of the JSON reader, for `map_err`.
    pub fn json(path: impl Into<PathBuf>) -> impl FnOnce(serde_json::Error) -> Self {
        let path = path.into();
        move |source| Self::Json { path, source }
    }

    /// The error of a module, if it has type `E`.
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Cause(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

/// Makes a module's error type convertible into [`Fault`] by `?` and `into`.
macro_rules! faults {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for $crate::error::Fault {
            fn from(error: $error) -> Self {
                Self::Cause(Box::new(error))
            }
        })+
    };
}
pub(crate) use faults;

/// An error and all its causes, joined by `: `.
pub fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the sum is {0}")]
    struct WrongSum(u32, #[source] std::num::ParseIntError);
    faults!(WrongSum);

    #[test]
    fn a_module_s_error_keeps_its_text_its_causes_and_its_type() {
        let below = "x".parse::<u32>().unwrap_err();
        let fault = Fault::from(WrongSum(3, below));
        assert_eq!(chain(&fault), "the sum is 3: invalid digit found in string");
        assert_eq!(fault.cause::<WrongSum>().unwrap().0, 3);
        assert!(fault.cause::<std::fmt::Error>().is_none());
    }
}
