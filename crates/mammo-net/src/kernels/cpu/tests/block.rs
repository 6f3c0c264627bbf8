//! Norm, activation, excitation and the end of a block.

use super::*;

fn norm_plan(channels: usize, first: usize) -> NormPlan {
    NormPlan {
        channels,
        scale: first..first + channels,
        shift: first + channels..first + 2 * channels,
        mean: 0..channels,
        variance: channels..2 * channels,
    }
}

/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta` by the batch's own statistics.
fn batch_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor) -> Tensor {
    let flat = x.permute((1, 0, 2, 3)).unwrap().flatten_from(1).unwrap();
    let channels = flat.dim(0).unwrap();
    let mean = flat.mean_keepdim(1).unwrap();
    let variance = flat.broadcast_sub(&mean).unwrap().sqr().unwrap().mean_keepdim(1).unwrap();
    let by = |values: &Tensor| values.reshape((1, channels, 1, 1)).unwrap();
    let deviation = (variance + crate::kernels::EPSILON).unwrap().sqrt().unwrap();
    let z = x.broadcast_sub(&by(&mean)).unwrap().broadcast_div(&by(&deviation)).unwrap();
    z.broadcast_mul(&by(gamma)).unwrap().broadcast_add(&by(beta)).unwrap()
}

#[test]
fn norm_activation_and_excitation_carry_gradients_back_as_candle_does() {
    let size = shape(3, 9, 14, 40);
    let (channels, hidden, batch) = (size.channels, 6, size.batch);
    let mut numbers = Numbers::new(12);
    let raw = numbers.activation(size);
    let norm_places = norm_plan(channels, 0);
    let first = 2 * channels;
    let ends = [hidden * channels, hidden, channels * hidden, channels]
        .iter()
        .scan(first, |at, count| {
            *at += count;
            Some(*at)
        })
        .collect::<Vec<_>>();
    let plan = ExcitePlan {
        hidden,
        reduce_weight: first..ends[0],
        reduce_bias: ends[0]..ends[1],
        expand_weight: ends[1]..ends[2],
        expand_bias: ends[2]..ends[3],
    };
    let parameters = numbers.floats(ends[3]);
    let grad_output = numbers.activation(size);
    let cpu = &mut numbers.cpu;

    let sums = sums::squares(cpu.arch, &raw.values, channels);
    let norm = cpu.batch_norm(sums, size.rows(), &norm_places, &parameters, None).unwrap();
    let x = Operand { raw: &raw, norm: Some(&norm), gate: None };
    let pooled = cpu.pool(x).unwrap();
    let excited = cpu.excite(pooled, batch, &plan, &parameters).unwrap();
    let gated = Operand { gate: Some(&excited.gate), ..x };
    let y = cpu.download_operand(gated).unwrap();

    let all = |range: &Range<usize>, dims: &[usize]| var(&parameters[range.clone()], dims);
    let d = Var::from_tensor(&planes(&raw)).unwrap();
    let (gamma, beta) =
        (all(&norm_places.scale, &[channels]), all(&norm_places.shift, &[channels]));
    let reduce = all(&plan.reduce_weight, &[hidden, channels]);
    let reduce_bias = all(&plan.reduce_bias, &[1, hidden]);
    let expand = all(&plan.expand_weight, &[channels, hidden]);
    let expand_bias = all(&plan.expand_bias, &[1, channels]);
    let h = silu(&batch_norm(&d, &gamma, &beta));
    let means = h.flatten_from(2).unwrap().mean(2).unwrap();
    let map = |x: &Tensor, weight: &Tensor, bias: &Tensor| {
        x.matmul(&weight.t().unwrap()).unwrap().broadcast_add(bias).unwrap()
    };
    let gate = sigmoid(&map(&silu(&map(&means, &reduce, &reduce_bias)), &expand, &expand_bias));
    let expected = h.broadcast_mul(&gate.reshape((batch, channels, 1, 1)).unwrap()).unwrap();
    equal("output", &y, &rows(&expected));

    let mut gradient = cpu.zeros(parameters.len()).unwrap();
    let given = Activation { shape: size, values: cpu.duplicate(&grad_output.values).unwrap() };
    let sums = cpu.excite_sums(&raw, &norm, Some(&given)).unwrap();
    let pooled =
        cpu.excite_backward(&sums, &excited, batch, &plan, &parameters, &mut gradient).unwrap();
    let sums = cpu.excited_sums(sums, size, Some(&excited.gate), &pooled).unwrap();
    let slopes = cpu.slopes(sums, size.rows(), &norm, &norm_places, &mut gradient).unwrap();
    let gated = Some((given, &excited.gate));
    let dd = cpu.excited_gradient(&raw, &norm, gated, &pooled, &slopes).unwrap();

    let store = dot(&expected, &planes(&grad_output)).backward().unwrap();
    equal("gradient", &dd.values, &rows(store.get(&d).unwrap()));
    for (what, range, var) in [
        ("gamma", &norm_places.scale, &gamma),
        ("beta", &norm_places.shift, &beta),
        ("reduce", &plan.reduce_weight, &reduce),
        ("reduce's bias", &plan.reduce_bias, &reduce_bias),
        ("expand", &plan.expand_weight, &expand),
        ("expand's bias", &plan.expand_bias, &expand_bias),
    ] {
        equal(what, &gradient[range.clone()], store.get(var).unwrap());
    }
}

/// As at the head, where only the means are used.
#[test]
fn means_alone_carry_gradients_back_as_candle_does() {
    let size = shape(2, 7, 5, 24);
    let mut numbers = Numbers::new(13);
    let raw = numbers.activation(size);
    let places = norm_plan(24, 0);
    let parameters = numbers.floats(48);
    let grad_output = numbers.floats(48);
    let cpu = &mut numbers.cpu;
    let sums = sums::squares(cpu.arch, &raw.values, 24);
    let norm = cpu.batch_norm(sums, size.rows(), &places, &parameters, None).unwrap();
    let mut gradient = cpu.zeros(48).unwrap();
    let sums = cpu.excite_sums(&raw, &norm, None).unwrap();
    let sums = cpu.excited_sums(sums, size, None, &grad_output).unwrap();
    let slopes = cpu.slopes(sums, size.rows(), &norm, &places, &mut gradient).unwrap();
    let dx = cpu.excited_gradient(&raw, &norm, None, &grad_output, &slopes).unwrap();

    let x = Var::from_tensor(&planes(&raw)).unwrap();
    let (gamma, beta) = (var(&parameters[..24], &[24]), var(&parameters[24..], &[24]));
    let means = silu(&batch_norm(&x, &gamma, &beta)).flatten_from(2).unwrap().mean(2).unwrap();
    let store = dot(&means, &tensor(&grad_output, &[2, 24])).backward().unwrap();
    equal("gradient", &dx.values, &rows(store.get(&x).unwrap()));
    equal("gamma", &gradient[..24], store.get(&gamma).unwrap());
    equal("beta", &gradient[24..], store.get(&beta).unwrap());
}

#[test]
fn the_end_of_a_block_drops_branches_and_carries_gradients_back_as_candle_does() {
    let size = shape(3, 12, 11, 24);
    let mut numbers = Numbers::new(14);
    let (raw, shortcut, grad_output) =
        (numbers.activation(size), numbers.activation(size), numbers.activation(size));
    let places = norm_plan(24, 0);
    let parameters = numbers.floats(48);
    let cpu = &mut numbers.cpu;
    let drop_path_mask = cpu.upload(&[1.25, 0.0, 1.25]).unwrap();
    let mut statistics = cpu.upload(&[0.5; 48]).unwrap();
    let sums = sums::squares(cpu.arch, &raw.values, 24);
    let norm =
        cpu.batch_norm(sums, size.rows(), &places, &parameters, Some(&mut statistics)).unwrap();
    let y = cpu.residual_add(&raw, &norm, Some(&drop_path_mask), Some(&shortcut)).unwrap();

    let x = Var::from_tensor(&planes(&raw)).unwrap();
    let (gamma, beta) = (var(&parameters[..24], &[24]), var(&parameters[24..], &[24]));
    let branch = batch_norm(&x, &gamma, &beta);
    let branch = branch.broadcast_mul(&tensor(&drop_path_mask, &[3, 1, 1, 1])).unwrap();
    let expected = (branch + planes(&shortcut)).unwrap();
    equal("output", &y.values, &rows(&expected));
    // 0.9 * 0.5 + 0.1 * the batch's, the variance unbiased.
    let count = size.rows() as f64;
    let flat = rows(&x).flatten_to(2).unwrap();
    let mean = flat.mean_keepdim(0).unwrap();
    let variance = flat.broadcast_sub(&mean).unwrap().sqr().unwrap().sum(0).unwrap();
    equal("running mean", &statistics[..24], &mean.affine(0.1, 0.45).unwrap());
    let variance = variance.affine(0.1 / (count - 1.0), 0.45).unwrap();
    equal("running variance", &statistics[24..], &variance);

    let mut gradient = cpu.zeros(48).unwrap();
    let sums = cpu.residual_add_sums(&raw, &norm, &grad_output, Some(&drop_path_mask)).unwrap();
    let slopes = cpu.slopes(sums, size.rows(), &norm, &places, &mut gradient).unwrap();
    // A convolution by the identity gives the lazy gradient itself.
    let identity: Vec<f32> = (0..24 * 24).map(|i| f32::from(u8::from(i / 24 == i % 24))).collect();
    let identity = cpu.upload(&identity).unwrap();
    let through = NormGradient { raw: &raw, slopes: &slopes };
    let given = GradientOperand {
        grad_output: &grad_output,
        drop_path_mask: Some(&drop_path_mask),
        norm: Some(through),
    };
    let plain = Operand { raw: &raw, norm: None, gate: None };
    let mut unused = cpu.zeros(24 * 24).unwrap();
    let dx =
        cpu.pointwise_backward(given, plain, &identity, &(0..24 * 24), &mut unused, None).unwrap();
    let store = dot(&expected, &planes(&grad_output)).backward().unwrap();
    equal("gradient", &dx.values, &rows(store.get(&x).unwrap()));
    equal("gamma", &gradient[..24], store.get(&gamma).unwrap());
    equal("beta", &gradient[24..], store.get(&beta).unwrap());
}
