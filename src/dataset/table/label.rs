//! The condition that stands for the label where a table has none: `dataset.label`.

use crate::config::ConfigError;

/// A condition on one column, such as `BIRADS >= 4`.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// The column, by our name or the table's.
    pub column: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    AtLeast(f64),
    AtMost(f64),
    Above(f64),
    Below(f64),
    Is(String),
    In(Vec<String>),
}

impl Label {
    /// Reads `COLUMN >= NUMBER` (or `<=`, `>`, `<`), `COLUMN == WORD`, `COLUMN in [WORD, ...]`.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for `dataset.label`.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Value {
            key: "dataset.label",
            found: text.to_owned(),
            needed: "a condition such as BIRADS >= 4, pathology == MALIGNANT or BIRADS in [4, 5]",
        };
        let number = |text: &str| text.parse::<f64>().ok().filter(|n| n.is_finite());
        let part = |separator: &str| {
            let (column, value) = text.split_once(separator)?;
            let (column, value) = (column.trim(), value.trim());
            (!column.is_empty() && !value.is_empty()).then_some((column.to_owned(), value))
        };
        let by = |separator, test: fn(f64) -> Test| {
            let (column, value) = part(separator)?;
            Some(Self { column, test: test(number(value)?) })
        };
        let is = || part("==").map(|(column, value)| Self { column, test: Test::Is(value.into()) });
        let among = || {
            let (column, value) = part(" in ")?;
            let words = value.strip_prefix('[')?.strip_suffix(']')?;
            let words = words.split(',').map(|word| word.trim().to_owned()).collect();
            Some(Self { column, test: Test::In(words) })
        };
        by(">=", Test::AtLeast)
            .or_else(|| by("<=", Test::AtMost))
            .or_else(is)
            .or_else(among)
            .or_else(|| by(">", Test::Above))
            .or_else(|| by("<", Test::Below))
            .ok_or_else(bad)
    }

    /// Whether the condition holds for a cell that is not missing; `None` if a number is needed and
    /// the cell is none.
    pub fn of(&self, cell: &str) -> Option<bool> {
        let number = || cell.trim().parse::<f64>().ok();
        let same = |word: &String| {
            let numbers = (number(), word.parse::<f64>());
            word.eq_ignore_ascii_case(cell.trim()) || matches!(numbers, (Some(a), Ok(b)) if a == b)
        };
        match &self.test {
            Test::AtLeast(bound) => number().map(|n| n >= *bound),
            Test::AtMost(bound) => number().map(|n| n <= *bound),
            Test::Above(bound) => number().map(|n| n > *bound),
            Test::Below(bound) => number().map(|n| n < *bound),
            Test::Is(word) => Some(same(word)),
            Test::In(words) => Some(words.iter().any(same)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_holds_or_not_or_cannot_be_told() {
        let holds = |condition, cell| Label::parse(condition).unwrap().of(cell);
        assert_eq!(holds("BIRADS >= 4", "5"), Some(true));
        assert_eq!(holds("BIRADS >= 4", "3"), Some(false));
        assert_eq!(holds("BIRADS>4", "4.0"), Some(false));
        assert_eq!(holds("BIRADS >= 4", "4a"), None);
        assert_eq!(holds("BIRADS in [4, 5]", "4.0"), Some(true));
        assert_eq!(holds("pathology == MALIGNANT", "malignant"), Some(true));
        for bad in ["BIRADS", "BIRADS >= four", ">= 4", "BIRADS in 4"] {
            assert!(Label::parse(bad).is_err(), "{bad}");
        }
    }
}
