//! Numbers as text for people: counts, shares, times, sizes.

/// A count with a comma before every third digit.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A count with its noun: `1 image`, `2 images`.
pub fn of(n: usize, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", count(n))
}

/// `part` of `whole` in percent, as [`share`] writes it; a dash if `whole` is 0.
pub fn percent(part: usize, whole: usize) -> String {
    match whole {
        0 => "–".into(),
        _ => share(part as f64 / whole as f64),
    }
}

/// A share of 0 to 1 in percent, with more digits near 0 and 100. Only nothing is 0 %, and only all
/// is 100 %.
pub fn share(share: f64) -> String {
    match 100.0 * share {
        s if s <= 0.0 => "0 %".into(),
        s if s >= 100.0 => "100 %".into(),
        s if s < 0.01 => "< 0.01 %".into(),
        s if s > 99.99 => "> 99.99 %".into(),
        s if !(0.1..=99.9).contains(&s) => format!("{s:.2} %"),
        s => format!("{s:.1} %"),
    }
}

/// As [`share`], in whole percent, for narrow places.
pub fn whole_percent(share: f64) -> String {
    match 100.0 * share {
        s if s > 0.0 && s < 1.0 => "< 1 %".into(),
        s if s > 99.0 && s < 100.0 => "> 99 %".into(),
        s => format!("{s:.0} %"),
    }
}

/// A value with about three significant digits.
pub fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 || v == 0.0 => format!("{value:.2}"),
        v if v < 0.0005 => "< 0.001".into(),
        _ => format!("{value:.3}"),
    }
}

/// A duration, such as `12 s`, `3 min 5 s` or `1 h 2 min`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 60.0 => format!("{s:.0} s"),
        s if s < 3600.0 => format!("{:.0} min {:.0} s", (s / 60.0).floor(), s % 60.0),
        s => format!("{:.0} h {:.0} min", (s / 3600.0).floor(), s % 3600.0 / 60.0),
    }
}

/// A number of bytes, such as `1.5 MB` (decimal units).
pub fn size(bytes: u64) -> String {
    match bytes as f64 {
        b if b < 1e3 => format!("{b:.0} B"),
        b if b < 1e6 => format!("{:.1} kB", b / 1e3),
        b if b < 1e9 => format!("{:.1} MB", b / 1e6),
        b => format!("{:.1} GB", b / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([count(0), count(999), count(1000)], ["0", "999", "1,000"]);
        assert_eq!(of(54_706, "image"), "54,706 images");
    }

    #[test]
    fn a_share_of_nothing_is_no_number_and_almost_all_is_not_all() {
        assert_eq!(percent(0, 0), "–");
        assert_eq!(percent(54_705, 54_706), "> 99.99 %");
        assert_eq!([percent(1, 54_706), percent(999, 1000)], ["< 0.01 %", "99.9 %"]);
        assert_eq!([percent(1, 1_000), percent(9_995, 10_000)], ["0.1 %", "99.95 %"]);
        assert_eq!([percent(1158, 54_706), percent(8, 54_706)], ["2.1 %", "0.01 %"]);
        assert_eq!([percent(0, 7), percent(7, 7)], ["0 %", "100 %"]);
        let whole = [0.0, 0.0001, 0.3, 0.9999, 1.0].map(whole_percent);
        assert_eq!(whole, ["0 %", "< 1 %", "30 %", "> 99 %", "100 %"]);
    }

    #[test]
    fn times_and_sizes_read_naturally() {
        assert_eq!(duration(3.4), "3 s");
        assert_eq!(duration(3725.0), "1 h 2 min");
        assert_eq!(size(315_000_000_000), "315.0 GB");
    }
}
