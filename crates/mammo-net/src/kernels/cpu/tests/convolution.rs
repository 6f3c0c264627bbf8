//! Depthwise and pointwise convolutions, and the stem.

use super::*;

#[test]
fn a_depthwise_convolution_behind_a_norm_is_candles() {
    for (kernel, stride, height, width, channels) in [
        (3, 1, 13, 9, 24),
        (3, 2, 12, 17, 8),
        (5, 1, 21, 20, 48),
        (5, 2, 19, 6, 40),
        (5, 2, 2, 1, 8),
    ] {
        let mut numbers = Numbers::new(kernel as u64 * 10 + stride as u64);
        let window = Window { kernel, stride };
        let raw = numbers.activation(shape(2, height, width, channels));
        let norm = numbers.norm(channels);
        let weights = numbers.floats(channels * kernel * kernel);
        let range = 0..weights.len();
        let x = Operand { raw: &raw, norm: Some(&norm), gate: None };
        let (y, sums) = numbers.cpu.depthwise(x, window, &weights, &range, true).unwrap();

        let z = planes(&raw).broadcast_mul(&by_channel(&norm.scale)).unwrap();
        let z = z.broadcast_add(&by_channel(&norm.shift)).unwrap();
        let z = Var::from_tensor(&z).unwrap();
        let w = var(&weights, &[channels, 1, kernel, kernel]);
        let expected = convolved(&silu(&z), &w, stride, channels);
        let expected_rows = rows(&expected);
        equal("output", &y.values, &expected_rows);
        let sums = sums.unwrap();
        sums_equal(&sums.first, &sum_of_rows(&expected_rows));
        sums_equal(&sums.second, &sum_of_rows(&expected_rows.sqr().unwrap()));

        let grad_output = numbers.activation(y.shape);
        let mut gradient = numbers.cpu.zeros(weights.len()).unwrap();
        let (dz, sums) = numbers
            .cpu
            .depthwise_backward(&grad_output, x, window, &weights, &range, &mut gradient, None)
            .unwrap();
        let store = dot(&expected, &planes(&grad_output)).backward().unwrap();
        equal("gradient of the weight", &gradient, store.get(&w).unwrap());
        let expected = rows(store.get(&z).unwrap());
        equal("gradient of the norm's output", &dz.values, &expected);
        let sums = sums.unwrap();
        sums_equal(&sums.first, &sum_of_rows(&expected));
        let centred = rows(&planes(&raw).broadcast_sub(&by_channel(&norm.mean)).unwrap());
        sums_equal(&sums.second, &sum_of_rows(&(expected * centred).unwrap()));
    }
}

#[test]
fn a_depthwise_convolution_of_plain_values_adds_its_gradient_to_the_shortcuts() {
    let mut numbers = Numbers::new(5);
    let window = Window { kernel: 3, stride: 1 };
    let raw = numbers.activation(shape(3, 11, 7, 24));
    let weights = numbers.floats(24 * 9);
    let x = Operand { raw: &raw, norm: None, gate: None };
    let range = 0..weights.len();
    let (y, _) = numbers.cpu.depthwise(x, window, &weights, &range, false).unwrap();
    let (z, w) = (Var::from_tensor(&planes(&raw)).unwrap(), var(&weights, &[24, 1, 3, 3]));
    let expected = z.conv2d(&w, 1, 1, 1, 24).unwrap();
    equal("output", &y.values, &rows(&expected));
    let (grad_output, accumulate_into) =
        (numbers.activation(y.shape), numbers.activation(raw.shape));
    let loss =
        (dot(&expected, &planes(&grad_output)) + dot(&z, &planes(&accumulate_into))).unwrap();
    let mut gradient = numbers.cpu.zeros(weights.len()).unwrap();
    let (dx, sums) = numbers
        .cpu
        .depthwise_backward(
            &grad_output,
            x,
            window,
            &weights,
            &range,
            &mut gradient,
            Some(accumulate_into),
        )
        .unwrap();
    let store = loss.backward().unwrap();
    assert!(sums.is_none());
    equal("gradient", &dx.values, &rows(store.get(&z).unwrap()));
    equal("gradient of the weight", &gradient, store.get(&w).unwrap());
}

/// Few pixels are shared out by columns, many by rows: both, with and without a shortcut.
#[test]
fn a_pointwise_convolution_of_lazy_operands_is_candles() {
    for (size, inputs, outputs, accumulate) in
        [(shape(2, 5, 7, 40), 40, 136, false), (shape(2, 23, 31, 24), 24, 56, true)]
    {
        let mut numbers = Numbers::new(inputs as u64);
        let raw = numbers.activation(size);
        let norm = numbers.norm(inputs);
        let gate = numbers.floats(size.batch * inputs);
        let weights = numbers.floats(outputs * inputs);
        let range = 0..weights.len();
        let x = Operand { raw: &raw, norm: Some(&norm), gate: Some(&gate) };
        let (y, sums) = numbers.cpu.pointwise(x, &weights, &range, true).unwrap();

        let z = planes(&raw).broadcast_mul(&by_channel(&norm.scale)).unwrap();
        let h = silu(&z.broadcast_add(&by_channel(&norm.shift)).unwrap());
        let h = h.broadcast_mul(&tensor(&gate, &[size.batch, inputs, 1, 1])).unwrap();
        let (h, w) = (Var::from_tensor(&h).unwrap(), var(&weights, &[outputs, inputs, 1, 1]));
        let expected = h.conv2d(&w, 0, 1, 1, 1).unwrap();
        equal("output", &y.values, &rows(&expected));
        let sums = sums.unwrap();
        sums_equal(&sums.first, &sum_of_rows(&rows(&expected)));
        sums_equal(&sums.second, &sum_of_rows(&rows(&expected).sqr().unwrap()));

        let (grad_output, drop_path_mask) =
            (numbers.activation(y.shape), numbers.floats(size.batch));
        let [of_grad_output, of_raw, constant] = [(); 3].map(|()| numbers.floats(outputs));
        let slopes = Slopes { grad_output: of_grad_output, raw: of_raw, constant };
        let through = NormGradient { raw: &y, slopes: &slopes };
        let given = GradientOperand {
            grad_output: &grad_output,
            drop_path_mask: Some(&drop_path_mask),
            norm: Some(through),
        };
        let accumulate_into = accumulate.then(|| numbers.activation(size));
        let kept = planes(&grad_output)
            .broadcast_mul(&tensor(&drop_path_mask, &[size.batch, 1, 1, 1]))
            .unwrap();
        let full = (kept.broadcast_mul(&by_channel(&slopes.grad_output)).unwrap()
            + planes(&y).broadcast_mul(&by_channel(&slopes.raw)).unwrap())
        .unwrap()
        .broadcast_add(&by_channel(&slopes.constant))
        .unwrap();
        let mut loss = dot(&expected, &full);
        if let Some(accumulate_into) = &accumulate_into {
            loss = (loss + dot(&h, &planes(accumulate_into))).unwrap();
        }
        // What is there already stays: gradients are added.
        let mut gradient = numbers.cpu.upload(&vec![1.0; weights.len()]).unwrap();
        let dx = numbers
            .cpu
            .pointwise_backward(given, x, &weights, &range, &mut gradient, accumulate_into)
            .unwrap();
        let store = loss.backward().unwrap();
        equal("gradient", &dx.values, &rows(store.get(&h).unwrap()));
        equal("gradient of the weight", &gradient, &(store.get(&w).unwrap() + 1.0).unwrap());
    }
}

#[test]
fn the_stem_is_candles_convolution() {
    for (size, outputs) in [(shape(2, 47, 33, 1), 48), (shape(1, 8, 5, 3), 32)] {
        let mut numbers = Numbers::new(9);
        let x = numbers.activation(size);
        let weights = numbers.floats(outputs * size.channels * 9);
        let range = 0..weights.len();
        let (y, sums) = numbers.cpu.stem(&x, &weights, &range, true).unwrap();
        let w = var(&weights, &[outputs, size.channels, 3, 3]);
        let expected = convolved(&planes(&x), &w, 2, 1);
        equal("output", &y.values, &rows(&expected));
        sums_equal(&sums.unwrap().first, &sum_of_rows(&rows(&expected)));
        let grad_output = numbers.activation(y.shape);
        let given = GradientOperand { grad_output: &grad_output, drop_path_mask: None, norm: None };
        let mut gradient = numbers.cpu.zeros(weights.len()).unwrap();
        numbers.cpu.stem_backward(given, &x, &range, &mut gradient).unwrap();
        let store = dot(&expected, &planes(&grad_output)).backward().unwrap();
        equal("gradient of the weight", &gradient, store.get(&w).unwrap());
    }
}
