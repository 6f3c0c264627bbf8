//! Names of tensors: from those of other libraries to timm's.

/// Prefixes that wrappers put before every name (data parallel, compiled).
const WRAPPERS: [&str; 3] = ["module.", "_orig_mod.", "model."];

/// The name without the prefixes of wrappers.
pub fn unwrapped(name: &str) -> &str {
    let rest = |name: &'_ str| {
        WRAPPERS.iter().find_map(|wrapper| name.strip_prefix(wrapper).map(str::len))
    };
    match rest(name) {
        Some(length) => unwrapped(&name[name.len() - length..]),
        None => name,
    }
}

/// timm's name of a tensor of torchvision's EfficientNet; `None` for a name it does not have.
pub fn from_torchvision(name: &str) -> Option<String> {
    if let Some(leaf) = name.strip_prefix("classifier.1.") {
        return Some(format!("classifier.{leaf}"));
    }
    let (stage, rest) = name.strip_prefix("features.")?.split_once('.')?;
    match stage.parse::<usize>().ok()? {
        0 => of_network(rest, "conv_stem", "bn1"),
        8 => of_network(rest, "conv_head", "bn2"),
        stage @ 1..=7 => {
            let (block, rest) = rest.split_once('.')?;
            let (part, leaf) = rest.strip_prefix("block.")?.split_once('.')?;
            let name = of_block(stage == 1, part, leaf)?;
            Some(format!("blocks.{}.{block}.{name}", stage - 1))
        }
        _ => None,
    }
}

/// The name of a convolution's or a norm's tensor.
fn of_network(rest: &str, convolution: &str, norm: &str) -> Option<String> {
    let (part, leaf) = rest.split_once('.')?;
    let owner = match part {
        "0" => convolution,
        "1" => norm,
        _ => return None,
    };
    Some(format!("{owner}.{leaf}"))
}

/// A name within a block. Blocks of the first stage have no expansion, so their numbers are one
/// lower.
fn of_block(first_stage: bool, part: &str, leaf: &str) -> Option<String> {
    match part.parse::<usize>().ok()? + usize::from(first_stage) {
        0 => of_network(leaf, "conv_pw", "bn1"),
        1 if first_stage => of_network(leaf, "conv_dw", "bn1"),
        1 => of_network(leaf, "conv_dw", "bn2"),
        2 => {
            let (map, leaf) = leaf.split_once('.')?;
            let map = match map {
                "fc1" => "conv_reduce",
                "fc2" => "conv_expand",
                _ => return None,
            };
            Some(format!("se.{map}.{leaf}"))
        }
        3 if first_stage => of_network(leaf, "conv_pw", "bn2"),
        3 => of_network(leaf, "conv_pwl", "bn3"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pairs read off `state_dict()` of torchvision 0.29 and timm 1.0.31, in their order.
    #[test]
    fn torchvisions_names_become_timms() {
        for (theirs, ours) in [
            ("features.0.0.weight", "conv_stem.weight"),
            ("features.0.1.running_var", "bn1.running_var"),
            ("features.1.0.block.0.0.weight", "blocks.0.0.conv_dw.weight"),
            ("features.1.0.block.0.1.bias", "blocks.0.0.bn1.bias"),
            ("features.1.0.block.1.fc1.weight", "blocks.0.0.se.conv_reduce.weight"),
            ("features.1.0.block.2.0.weight", "blocks.0.0.conv_pw.weight"),
            ("features.1.0.block.2.1.weight", "blocks.0.0.bn2.weight"),
            ("features.2.1.block.0.0.weight", "blocks.1.1.conv_pw.weight"),
            ("features.2.1.block.1.1.running_mean", "blocks.1.1.bn2.running_mean"),
            ("features.7.0.block.2.fc2.bias", "blocks.6.0.se.conv_expand.bias"),
            ("features.7.0.block.3.0.weight", "blocks.6.0.conv_pwl.weight"),
            ("features.8.1.weight", "bn2.weight"),
            ("classifier.1.bias", "classifier.bias"),
        ] {
            assert_eq!(from_torchvision(theirs).as_deref(), Some(ours));
        }
        for other in ["features.9.0.weight", "features.1.0.block.4.0.weight", "fc.weight"] {
            assert_eq!(from_torchvision(other), None, "{other}");
        }
    }

    #[test]
    fn wrappers_are_taken_off() {
        assert_eq!(unwrapped("module._orig_mod.bn1.weight"), "bn1.weight");
        assert_eq!(unwrapped("bn1.weight"), "bn1.weight");
    }
}
