//! Calls OpenJPEG's encoder in C, because `jpeg2k` does not offer it. This is the only file with
//! such calls.
//!
//! In: samples and options that [`encode`](super::encode) has checked. Out: the bytes, or
//! OpenJPEG's error message.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use openjpeg_sys as opj;

use super::{Container, EncodeError, Layers, Markers, Options, Progression, TileParts, Wavelet};

/// Encodes planes whose count and size the caller has checked.
pub fn encode<S: Copy + Into<i32>>(
    samples: &[S],
    width: u32,
    height: u32,
    options: &Options,
) -> Result<Vec<u8>, EncodeError> {
    let mut parameters = parameters(options)?;
    let image = Image::new(samples, width, height, options)?;
    let mut messages = Vec::new();
    let mut sink = Sink::default();
    match run(&mut parameters, &image, options, &mut messages, &mut sink) {
        Some(()) => Ok(sink.bytes),
        None => Err(EncodeError::Encoder(String::from_utf8_lossy(&messages).trim().to_owned())),
    }
}

/// OpenJPEG's parameters for these options.
fn parameters(options: &Options) -> Result<Box<opj::opj_cparameters_t>, EncodeError> {
    let mut p = Box::<opj::opj_cparameters_t>::new_uninit();
    // SAFETY: the call zeroes the whole structure and then sets its defaults; every field
    // is an integer, a float, a pointer or an enum for which zero is a value.
    let mut p = unsafe {
        ptr::write_bytes(p.as_mut_ptr(), 0, 1);
        opj::opj_set_default_encoder_parameters(p.as_mut_ptr());
        p.assume_init()
    };
    p.prog_order = order(options.progression);
    p.numresolution = c_int::from(options.levels) + 1;
    p.irreversible = c_int::from(options.wavelet == Wavelet::Irreversible);
    p.mode = c_int::from(options.style.0);
    (p.cblockw_init, p.cblockh_init) = signed_pair(options.code_block)?;
    p.csty = if options.markers.0 & 1 != 0 { 2 } else { 0 }
        | if options.markers.0 & 2 != 0 { 4 } else { 0 };
    p.tcp_mct = c_char::from(options.colour_transform);
    match &options.layers {
        Layers::Whole => {
            p.tcp_numlayers = 1;
            p.cp_disto_alloc = 1;
        }
        Layers::Ratios(ratios) => {
            p.cp_disto_alloc = 1;
            p.tcp_numlayers = layers(ratios, &mut p.tcp_rates)?;
        }
        Layers::Psnr(decibels) => {
            p.cp_fixed_quality = 1;
            p.tcp_numlayers = layers(decibels, &mut p.tcp_distoratio)?;
        }
    }
    if let Some(tile) = options.tile {
        p.tile_size_on = 1;
        (p.cp_tdx, p.cp_tdy) = signed_pair(tile)?;
    }
    (p.cp_tx0, p.cp_ty0) = signed_pair(options.tile_origin)?;
    if !options.precincts.is_empty() {
        p.csty |= 1;
        p.res_spec = options.precincts.len() as c_int;
        for (i, &size) in options.precincts.iter().enumerate() {
            (p.prcw_init[i], p.prch_init[i]) = signed_pair(size)?;
        }
    }
    let tiles = options.tile.map_or(1, |_| 2);
    if !options.progression_changes.is_empty() && tiles != 1 {
        return Err(EncodeError::Option("progression changes need a single tile"));
    }
    p.numpocs = options.progression_changes.len() as u32;
    for (poc, change) in p.POC.iter_mut().zip(&options.progression_changes) {
        poc.tile = 1;
        poc.resno0 = change.resolution_start;
        poc.compno0 = change.component_start;
        poc.layno1 = change.layer_end;
        poc.resno1 = change.resolution_end;
        poc.compno1 = change.component_end;
        poc.prg1 = order(change.order);
    }
    if let Some(flag) = match options.tile_parts {
        TileParts::Whole => None,
        TileParts::ByResolution => Some(b'R'),
        TileParts::ByLayer => Some(b'L'),
        TileParts::ByComponent => Some(b'C'),
    } {
        p.tp_on = 1;
        p.tp_flag = flag as c_char;
    }
    if options.region_shift > 0 {
        p.roi_compno = 0;
        p.roi_shift = c_int::from(options.region_shift);
    }
    Ok(p)
}

fn order(progression: Progression) -> opj::OPJ_PROG_ORDER {
    use opj::PROG_ORDER::*;
    match progression {
        Progression::Lrcp => OPJ_LRCP,
        Progression::Rlcp => OPJ_RLCP,
        Progression::Rpcl => OPJ_RPCL,
        Progression::Pcrl => OPJ_PCRL,
        Progression::Cprl => OPJ_CPRL,
    }
}

fn signed_pair((a, b): (u32, u32)) -> Result<(c_int, c_int), EncodeError> {
    match (c_int::try_from(a), c_int::try_from(b)) {
        (Ok(a), Ok(b)) => Ok((a, b)),
        _ => Err(EncodeError::Option("a size or origin is beyond 2^31")),
    }
}

fn layers(wanted: &[f32], into: &mut [f32; 100]) -> Result<c_int, EncodeError> {
    if wanted.is_empty() || wanted.len() > into.len() {
        return Err(EncodeError::Option("one to 100 layers"));
    }
    into[..wanted.len()].copy_from_slice(wanted);
    Ok(wanted.len() as c_int)
}

/// OpenJPEG's image, freed when dropped.
struct Image(NonNull<opj::opj_image_t>);

impl Image {
    fn new<S: Copy + Into<i32>>(
        samples: &[S],
        width: u32,
        height: u32,
        options: &Options,
    ) -> Result<Self, EncodeError> {
        let plane = opj::opj_image_cmptparm_t {
            dx: 1,
            dy: 1,
            w: width,
            h: height,
            x0: options.image_origin.0,
            y0: options.image_origin.1,
            prec: u32::from(options.precision),
            bpp: u32::from(options.precision),
            sgnd: u32::from(options.signed),
        };
        let mut planes = [plane; 3];
        let space = match options.components {
            1 => opj::COLOR_SPACE::OPJ_CLRSPC_GRAY,
            _ => opj::COLOR_SPACE::OPJ_CLRSPC_SRGB,
        };
        // SAFETY: `planes` has at least `components` entries, which the call only reads.
        let image = unsafe {
            opj::opj_image_create(u32::from(options.components), planes.as_mut_ptr(), space)
        };
        let image = NonNull::new(image)
            .ok_or(EncodeError::Encoder("no memory for the image".to_owned()))?;
        let owned = Self(image);
        // SAFETY: the call above returned a whole image that nobody else holds, with
        // `components` planes of `width * height` samples each; `samples` has as many.
        unsafe {
            let image = &mut *image.as_ptr();
            (image.x0, image.y0) = options.image_origin;
            (image.x1, image.y1) = (image.x0 + width, image.y0 + height);
            let pixels = width as usize * height as usize;
            for (i, plane) in samples.chunks_exact(pixels).enumerate() {
                let data = std::slice::from_raw_parts_mut((*image.comps.add(i)).data, pixels);
                for (to, &from) in data.iter_mut().zip(plane) {
                    *to = from.into();
                }
            }
        }
        Ok(owned)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // SAFETY: made by opj_image_create, dropped once.
        unsafe { opj::opj_image_destroy(self.0.as_ptr()) }
    }
}

/// The output of the stream. The JP2 writer seeks back to fill in the lengths of its boxes.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    position: usize,
}

/// Runs the encoder; `None` if it refuses, with its message in `messages`.
fn run(
    parameters: &mut opj::opj_cparameters_t,
    image: &Image,
    options: &Options,
    messages: &mut Vec<u8>,
    sink: &mut Sink,
) -> Option<()> {
    let format = match options.container {
        Container::Jp2 => opj::CODEC_FORMAT::OPJ_CODEC_JP2,
        Container::Codestream => opj::CODEC_FORMAT::OPJ_CODEC_J2K,
    };
    let guard = format!("GUARD_BITS={}\0", options.guard_bits);
    let mut extra = vec![guard.as_ptr().cast::<c_char>()];
    if options.markers.0 & Markers::PACKET_LENGTHS.0 != 0 {
        extra.push(c"PLT=YES".as_ptr());
    }
    if options.markers.0 & Markers::TILE_PART_LENGTHS.0 != 0 {
        extra.push(c"TLM=YES".as_ptr());
    }
    extra.push(ptr::null());

    // SAFETY: codec and stream are made here, checked for null, used by this thread alone
    // and destroyed before `messages`, `sink`, `image`, `parameters` and `extra`, which
    // they point to, can go.
    unsafe {
        let codec = opj::opj_create_compress(format);
        let stream = opj::opj_stream_create(1 << 20, 0);
        let mut done = false;
        if !codec.is_null() && !stream.is_null() {
            opj::opj_set_error_handler(codec, Some(on_message), ptr::from_mut(messages).cast());
            opj::opj_stream_set_user_data(stream, ptr::from_mut(sink).cast(), None);
            opj::opj_stream_set_write_function(stream, Some(on_write));
            opj::opj_stream_set_skip_function(stream, Some(on_skip));
            opj::opj_stream_set_seek_function(stream, Some(on_seek));
            let image = image.0.as_ptr();
            done = opj::opj_setup_encoder(codec, parameters, image) != 0
                && opj::opj_encoder_set_extra_options(codec, extra.as_ptr()) != 0
                && opj::opj_start_compress(codec, image, stream) != 0
                && opj::opj_encode(codec, stream) != 0
                && opj::opj_end_compress(codec, stream) != 0;
        }
        if !stream.is_null() {
            opj::opj_stream_destroy(stream);
        }
        if !codec.is_null() {
            opj::opj_destroy_codec(codec);
        }
        done.then_some(())
    }
}

unsafe extern "C" fn on_message(message: *const c_char, messages: *mut c_void) {
    // SAFETY: OpenJPEG passes a C string and the pointer that `run` gave it.
    unsafe { (*messages.cast::<Vec<u8>>()).extend_from_slice(CStr::from_ptr(message).to_bytes()) }
}

unsafe extern "C" fn on_write(bytes: *mut c_void, count: usize, sink: *mut c_void) -> usize {
    // SAFETY: OpenJPEG passes `count` readable bytes and the pointer that `run` gave it.
    let (bytes, sink) = unsafe {
        (std::slice::from_raw_parts(bytes.cast::<u8>(), count), &mut *sink.cast::<Sink>())
    };
    let end = sink.position + count;
    if sink.bytes.len() < end {
        sink.bytes.resize(end, 0);
    }
    sink.bytes[sink.position..end].copy_from_slice(bytes);
    sink.position = end;
    count
}

unsafe extern "C" fn on_skip(count: i64, sink: *mut c_void) -> i64 {
    // SAFETY: OpenJPEG passes the pointer that `run` gave it.
    let sink = unsafe { &mut *sink.cast::<Sink>() };
    match usize::try_from(sink.position as i64 + count) {
        Ok(position) => {
            sink.position = position;
            count
        }
        Err(_) => -1,
    }
}

unsafe extern "C" fn on_seek(position: i64, sink: *mut c_void) -> c_int {
    // SAFETY: OpenJPEG passes the pointer that `run` gave it.
    let sink = unsafe { &mut *sink.cast::<Sink>() };
    match usize::try_from(position) {
        Ok(position) => {
            sink.position = position;
            1
        }
        Err(_) => 0,
    }
}
