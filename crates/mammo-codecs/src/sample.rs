//! The types of decoded samples.

/// A type of samples: `u8` and `u16` for unsigned ones of up to 8 and 16 bits, `i16` for signed
/// ones and for unsigned ones of up to 15 bits, `i32` for all.
pub trait Sample: Copy + sealed::Sample {}

impl Sample for u8 {}
impl Sample for u16 {}
impl Sample for i16 {}
impl Sample for i32 {}

pub(crate) mod sealed {
    /// Used by decoders. They all write 16 bits, two's complement if samples are signed.
    pub trait Sample: Sized {
        const NAME: &'static str;
        /// Whether the type can hold all such samples.
        fn holds(precision: u8, signed: bool) -> bool;
        /// The buffer to decode into: `out` itself, or `scratch`.
        fn buffer(out: &mut Vec<Self>, scratch: &mut Vec<u16>) -> Vec<u16>;
        /// Moves the decoded samples into `out`.
        fn put(samples: Vec<u16>, signed: bool, out: &mut Vec<Self>, scratch: &mut Vec<u16>);
    }

    impl Sample for u16 {
        const NAME: &'static str = "u16";

        fn holds(_: u8, signed: bool) -> bool {
            !signed
        }

        fn buffer(out: &mut Vec<Self>, _: &mut Vec<u16>) -> Vec<u16> {
            std::mem::take(out)
        }

        fn put(samples: Vec<u16>, _: bool, out: &mut Vec<Self>, _: &mut Vec<u16>) {
            *out = samples;
        }
    }

    /// Copies the samples, each converted by `convert`.
    fn copy<S>(
        samples: Vec<u16>,
        out: &mut Vec<S>,
        scratch: &mut Vec<u16>,
        convert: impl Fn(u16) -> S,
    ) {
        out.clear();
        out.reserve_exact(samples.len());
        out.extend(samples.iter().map(|&sample| convert(sample)));
        *scratch = samples;
    }

    impl Sample for u8 {
        const NAME: &'static str = "u8";

        fn holds(precision: u8, signed: bool) -> bool {
            !signed && precision <= 8
        }

        fn buffer(_: &mut Vec<Self>, scratch: &mut Vec<u16>) -> Vec<u16> {
            std::mem::take(scratch)
        }

        fn put(samples: Vec<u16>, _: bool, out: &mut Vec<Self>, scratch: &mut Vec<u16>) {
            copy(samples, out, scratch, |sample| sample as u8);
        }
    }

    impl Sample for i16 {
        const NAME: &'static str = "i16";

        fn holds(precision: u8, signed: bool) -> bool {
            signed || precision < 16
        }

        fn buffer(_: &mut Vec<Self>, scratch: &mut Vec<u16>) -> Vec<u16> {
            std::mem::take(scratch)
        }

        fn put(samples: Vec<u16>, _: bool, out: &mut Vec<Self>, scratch: &mut Vec<u16>) {
            copy(samples, out, scratch, |sample| sample as i16);
        }
    }

    impl Sample for i32 {
        const NAME: &'static str = "i32";

        fn holds(_: u8, _: bool) -> bool {
            true
        }

        fn buffer(_: &mut Vec<Self>, scratch: &mut Vec<u16>) -> Vec<u16> {
            std::mem::take(scratch)
        }

        fn put(samples: Vec<u16>, signed: bool, out: &mut Vec<Self>, scratch: &mut Vec<u16>) {
            copy(samples, out, scratch, |sample| {
                if signed { i32::from(sample as i16) } else { i32::from(sample) }
            });
        }
    }
}
