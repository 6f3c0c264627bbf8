//! The names of Python that a file of weights needs.

use crate::weights::file::Number;

/// What a known name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Global {
    /// `collections.OrderedDict` and `collections.defaultdict`.
    Dict,
    /// `torch.Size`.
    Size,
    /// `torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...)`.
    Tensor,
    /// `torch._utils._rebuild_parameter(tensor, ...)`.
    Parameter,
    /// `torch._tensor._rebuild_from_type_v2(function, type, arguments, state)`: a tensor with
    /// attributes of Python.
    FromType,
    /// `torch.FloatStorage` and its like.
    Storage(Number),
}

impl Global {
    /// The meaning of a name; `None` if no weights need it.
    pub fn of(module: &[u8], name: &[u8]) -> Option<Self> {
        Some(match (module, name) {
            (b"collections", b"OrderedDict" | b"defaultdict") => Self::Dict,
            (b"torch", b"Size") => Self::Size,
            (b"torch._utils", b"_rebuild_tensor_v2") => Self::Tensor,
            (b"torch._utils", b"_rebuild_parameter" | b"_rebuild_parameter_with_state") => {
                Self::Parameter
            }
            (b"torch._tensor", b"_rebuild_from_type_v2") => Self::FromType,
            (b"torch", b"HalfStorage") => Self::Storage(Number::F16),
            (b"torch", b"BFloat16Storage") => Self::Storage(Number::Bf16),
            (b"torch", b"FloatStorage") => Self::Storage(Number::F32),
            (b"torch", b"DoubleStorage") => Self::Storage(Number::F64),
            (b"torch", b"LongStorage") => Self::Storage(Number::I64),
            _ => return None,
        })
    }
}
