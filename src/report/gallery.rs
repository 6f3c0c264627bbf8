//! Pictures in a page: small JPEGs embedded in the page, with boxes drawn over them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mammo_codecs::encode::{Frame, jpeg_sequential};

use super::page::{Html, escape};
use crate::image::picture::{Rgb, resized};
use crate::image::{Plane, Rect};

/// The largest thumbnail, in columns and rows: sharp on a high-resolution screen at the size shown,
/// and a few kilobytes each.
const LARGEST: (usize, usize) = (360, 440);

/// JPEG quality: hardly any visible loss, and at most a third of the size of a PNG.
const QUALITY: u8 = 82;

/// A small picture embedded in the page.
#[derive(Debug, Clone)]
pub struct Thumbnail(String);

impl Thumbnail {
    /// A thumbnail of grey levels over the full range of 16 bits, reduced to fit.
    pub fn new(grey: &Plane<u16>) -> Self {
        let whole = Rect::whole(grey.width(), grey.height());
        let (width, height) = fitted(whole, LARGEST);
        let samples = resized(grey, width, height).map(|level| level >> 8);
        let frame = Frame::new(width as u16, height as u16, 8, samples.pixels())
            .expect("as many samples of 8 bits as the size says");
        let options = jpeg_sequential::Options { quality: QUALITY, restart_blocks: 0 };
        let jpeg = jpeg_sequential::encode(&frame, options).expect("8 bits can be coded");
        Self::of_jpeg(&jpeg)
    }

    /// A thumbnail of two colour pictures side by side, reduced to fit.
    pub fn coloured(pair: &Plane<Rgb>) -> Self {
        let whole = Rect::whole(pair.width(), pair.height());
        let (width, height) = fitted(whole, (2 * LARGEST.0, LARGEST.1));
        let picture = resized(pair, width, height);
        let jpeg =
            jpeg_sequential::encode_colour(width as u16, height as u16, picture.pixels(), QUALITY)
                .expect("as many pixels as the size says");
        Self::of_jpeg(&jpeg)
    }

    fn of_jpeg(jpeg: &[u8]) -> Self {
        Self(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
    }

    /// Its size in the page.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}

/// The size of a picture reduced to fit; pictures are never enlarged.
fn fitted(whole: Rect, most: (usize, usize)) -> (usize, usize) {
    let share =
        (most.0 as f64 / whole.width as f64).min(most.1 as f64 / whole.height as f64).min(1.0);
    let fitted = |n: usize| ((n as f64 * share).round() as usize).max(1);
    (fitted(whole.width), fitted(whole.height))
}

/// A box over a picture.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    /// Its style.
    pub class: &'static str,
    /// Its position, in pixels of the picture's `size`.
    pub rect: Rect,
}

/// One picture of an item.
#[derive(Debug, Clone)]
pub struct Picture {
    /// A short description that names the image, for readers who do not see it.
    pub label: String,
    /// Columns and rows of the whole image; the marks are in its pixels.
    pub size: (usize, usize),
    /// The picture; without one its boxes are drawn on an empty frame.
    pub content: Option<Thumbnail>,
    /// The boxes drawn over it.
    pub marks: Vec<Mark>,
}

impl Picture {
    /// Its markup.
    pub fn html(&self) -> Html {
        let (width, height) = self.size;
        let mut out =
            format!("<svg class=\"picture\" viewBox=\"0 0 {width} {height}\" role=\"img\"");
        let _ = write!(out, " style=\"flex-grow:{:.4}\">", width as f64 / height as f64);
        let _ = write!(out, "<title>{}</title>", escape(&self.label));
        match &self.content {
            Some(Thumbnail(uri)) => {
                let _ = write!(
                    out,
                    "<image href=\"{uri}\" width=\"{width}\" height=\"{height}\" \
                     preserveAspectRatio=\"none\"/>"
                );
            }
            None => {
                let size = format!("width=\"{width}\" height=\"{height}\"");
                let _ = write!(out, "<rect class=\"absent\" {size}/>");
            }
        }
        for Mark { class, rect: Rect { left, top, width, height } } in &self.marks {
            let _ = write!(
                out,
                "<rect class=\"mark {class}\" x=\"{left}\" y=\"{top}\" width=\"{width}\" \
                 height=\"{height}\"/>"
            );
        }
        Html::made(out + "</svg>")
    }
}

/// One card of a gallery.
#[derive(Debug, Clone)]
pub struct Item {
    /// Pictures side by side, all of the same height.
    pub pictures: Vec<Picture>,
    /// The text below them.
    pub caption: Html,
}

/// Cards of pictures.
pub fn gallery(items: &[Item]) -> Html {
    let card = |item: &Item| {
        let pictures = item.pictures.iter().map(Picture::html).collect();
        let pictures = Html::element("div", "pictures", pictures);
        let caption = Html::element("figcaption", "", item.caption.clone());
        Html::element("figure", "crop-card", pictures.and(caption))
    };
    Html::element("div", "gallery", items.iter().map(card).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thumbnail_fits_and_nothing_is_enlarged() {
        let size = |width, height| {
            let Thumbnail(uri) =
                Thumbnail::new(&Plane::new(width, height, vec![9; width * height]));
            let jpeg = uri.strip_prefix("data:image/jpeg;base64,").unwrap();
            let jpeg = STANDARD.decode(jpeg).unwrap();
            let frame = jpeg.windows(2).position(|marker| marker == [0xFF, 0xC0]).unwrap();
            let at =
                |i: usize| usize::from(jpeg[frame + i]) << 8 | usize::from(jpeg[frame + i + 1]);
            (at(7), at(5))
        };
        assert_eq!(size(900, 2), (360, 1));
        assert_eq!(size(1320, 1760), (330, 440));
        assert_eq!(size(7, 9), (7, 9));
    }

    #[test]
    fn a_picture_that_is_not_there_shows_its_boxes_all_the_same() {
        let rect = Rect { left: 5, top: 6, width: 7, height: 8 };
        let item = Item {
            pictures: vec![Picture {
                label: "before".into(),
                size: (40, 50),
                content: None,
                marks: vec![Mark { class: "breast", rect }],
            }],
            caption: Html::text("1 & 2"),
        };
        let html = gallery(&[item]);
        for expected in ["1 &amp; 2", "class=\"absent\"", "mark breast\" x=\"5\" y=\"6\""] {
            assert!(html.as_str().contains(expected), "{expected} in {html:?}");
        }
        assert!(!html.as_str().contains("<image"));
    }
}
