//! Features of an image batch, and a plain candle linear head that is trained on them together with
//! the backbone.
//!
//! ```text
//! cargo run --release --features candle --example linear_head [WEIGHTS]
//! ```
//!
//! `WEIGHTS` is a file of timm's or torchvision's EfficientNet-B0, or a repository of the Hugging
//! Face hub, such as `timm/efficientnet_b0.ra_in1k`. Without it, the weights are random.

use candle_core::{DType, Device, Tensor, Var};
use mammo_net::candle::CandleBackbone;
use mammo_net::weights::{Source, load_into};
use mammo_net::{
    Backbone, Images, Mode, ModelError, Options, Pixels, Rule, Update, Variant, build,
};

const BATCH: usize = 8;
const SIDE: usize = 64;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut backbone = build(Variant::B0, 1, &Options::default(), 42)?;
    if let Some(weights) = std::env::args().nth(1) {
        let source = Source::parse(&weights).map_err(ModelError::from)?;
        println!("{}", load_into(backbone.as_mut(), &source)?);
    }
    let mut backbone = CandleBackbone::new(backbone)?;

    // Grey images: every second one has a bright square.
    let pixels = pixels();
    let images = Images { pixels: Pixels::U8(&pixels), batch: BATCH, height: SIDE, width: SIDE };
    let features = backbone.forward_images(&images, Mode::Evaluate)?;
    println!("features: {:?}", features.dims());

    // A linear head of plain candle ops. Its logit is the evidence for a square.
    let labels: Vec<f32> = (0..BATCH).map(|image| (image % 2) as f32).collect();
    let labels = Tensor::from_vec(labels, (BATCH, 1), &Device::Cpu)?;
    let weight = Var::zeros((backbone.features(), 1), DType::F32, &Device::Cpu)?;
    let bias = Var::zeros(1, DType::F32, &Device::Cpu)?;
    for step in 0..20 {
        let features = backbone.forward_images(&images, Mode::Train { seed: step })?;
        let logits = features.matmul(&weight)?.broadcast_add(&bias)?;
        // Binary cross entropy: max(z, 0) - z * label + log(1 + exp(-|z|)).
        let log = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
        let loss = ((logits.relu()? - (&logits * &labels)?)? + log)?.mean_all()?;

        // The gradients of the head are in the store, those of the backbone in the backbone.
        let store = loss.backward()?;
        for var in [&weight, &bias] {
            let gradient = store.get(var).expect("the loss depends on the head");
            var.set(&(var.as_tensor() - (gradient * 0.05)?)?)?;
        }
        backbone.update(&Update {
            rule: Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
            learning_rate: 1e-4,
            weight_decay: 0.01,
            gradient_scale: 1.0,
            step,
            ema_decay: None,
        })?;
        println!("step {:2}: loss {:.4}", step + 1, loss.to_scalar::<f32>()?);
    }
    Ok(())
}

/// `[BATCH, SIDE, SIDE]` grey levels: a soft pattern, and a square in every second image.
fn pixels() -> Vec<u8> {
    let level = |i: usize| {
        let (image, row, column) = (i / (SIDE * SIDE), i / SIDE % SIDE, i % SIDE);
        let square =
            image % 2 == 1 && (20 + image..32 + image).contains(&row) && (24..36).contains(&column);
        let pattern = (row * (image + 3) + column * 5) % 64;
        if square { 230 } else { 40 + pattern as u8 }
    };
    (0..BATCH * SIDE * SIDE).map(level).collect()
}
