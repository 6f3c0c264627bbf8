//! Why a run stops.
//!
//! Could another file succeed? Then it is a reject of the stage that met it (`preprocess`
//! defines it): the file is quarantined and the run goes on. Otherwise it is a [`Fault`]: the
//! run stops, with nothing half-written.
//!
//! A module defines its own error and turns it into a `Fault` beside that definition, by
//! [`faults`]. Who wants to tell one from another asks [`Fault::cause`].

use std::error::Error;
use std::path::PathBuf;

/// Why a run stops: what everyone can meet, or the error of one module.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system refused a file operation.
    #[error("{path}")]
    Io {
        /// What it was about.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not the JSON it should be.
    #[error("{path}")]
    Json {
        /// The file.
        path: PathBuf,
        /// Line, column and reason.
        source: serde_json::Error,
    },
    /// A file is there with another content than this run would give it.
    #[error("{path} is there already, with another content")]
    Conflict {
        /// The file.
        path: PathBuf,
    },
    /// A file is there that this program did not make.
    #[error(
        "{path} is there already and was not made by mammo-pipe; give another name, or --force \
         to replace it"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// What one module found wrong.
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

    /// The error of a module, if it is an `E`.
    pub fn cause<E: Error + 'static>(&self) -> Option<&E> {
        match self {
            Self::Cause(cause) => cause.downcast_ref(),
            _ => None,
        }
    }
}

/// Lets a module's errors become a [`Fault`] by `?` and `into`.
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

/// An error and all its causes on one line.
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
