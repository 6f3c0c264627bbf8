//! Builds one self-contained HTML page: style, charts and pictures are embedded.
//!
//! Text becomes markup in one place, [`Html::text`], which escapes it. All other markup is
//! `'static`, so no id, path or message from a dataset can become a tag.

use std::fmt::{self, Display};

use crate::store::MAKER;

/// Markup in which all text is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Text, escaped.
    pub fn text(text: impl Display) -> Self {
        Self(escape(&text.to_string()))
    }

    /// Markup that is a constant of this program.
    pub fn fixed(markup: &'static str) -> Self {
        Self(markup.to_owned())
    }

    /// Markup made by the charts of the sibling modules, which escape every text.
    pub(super) fn made(markup: String) -> Self {
        Self(markup)
    }

    /// An element around `inner`, with a class unless `class` is empty.
    pub fn element(tag: &'static str, class: &'static str, inner: Self) -> Self {
        let class = if class.is_empty() { String::new() } else { format!(" class=\"{class}\"") };
        Self(format!("<{tag}{class}>{}</{tag}>\n", inner.0))
    }

    /// A paragraph.
    pub fn paragraph(inner: Self) -> Self {
        Self::element("p", "", inner)
    }

    /// A heading inside a section, with an anchor for links.
    pub fn heading(id: &'static str, text: impl Display) -> Self {
        Self(format!("<h3 id=\"{id}\">{}</h3>\n", escape(&text.to_string())))
    }

    /// A link to `target`, a path relative to the page's folder.
    pub fn link(target: &str, text: impl Display) -> Self {
        Self(format!("<a href=\"{}\">{}</a>", escape(target), escape(&text.to_string())))
    }

    /// This, followed by `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.push_str(&other.0);
        self
    }

    /// This, followed by `text`, escaped.
    #[must_use]
    pub fn and_text(self, text: impl Display) -> Self {
        self.and(Self::text(text))
    }

    /// Whether the markup is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The markup.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromIterator<Html> for Html {
    fn from_iter<I: IntoIterator<Item = Html>>(parts: I) -> Self {
        parts.into_iter().fold(Self::default(), Self::and)
    }
}

impl From<&str> for Html {
    /// As [`Html::text`].
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Html {
    /// As [`Html::text`].
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

/// Escapes every character with a meaning in HTML, in content and in quoted attributes. Control
/// characters become visible boxes, so that they cannot break the page.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// The alignment of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Align {
    Left,
    Right,
}

/// A table; on a narrow screen each row becomes a list of its cells with their column names.
#[derive(Debug, Clone)]
pub struct Table {
    columns: Vec<(&'static str, Align)>,
    rows: Vec<Vec<Html>>,
}

impl Table {
    /// A table without rows.
    pub fn new(columns: &[(&'static str, Align)]) -> Self {
        Self { columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// Unless it has one cell per column, which is a bug of the caller.
    pub fn row(&mut self, cells: Vec<Html>) {
        assert_eq!(cells.len(), self.columns.len(), "one cell per column");
        self.rows.push(cells);
    }

    /// Its markup.
    pub fn html(&self) -> Html {
        let class = |align| if align == Align::Right { " class=\"number\"" } else { "" };
        let mut out = String::from("<div class=\"scroll\"><table><thead><tr>");
        for &(name, align) in &self.columns {
            out += &format!("<th{}>{}</th>", class(align), escape(name));
        }
        out += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            out += "<tr>";
            for (inner, &(name, align)) in row.iter().zip(&self.columns) {
                let (class, name) = (class(align), escape(name));
                out += &format!("<td{class} data-column=\"{name}\"><div>{}</div></td>", inner.0);
            }
            out += "</tr>\n";
        }
        Html(out + "</tbody></table></div>\n")
    }
}

/// A card: a number with its label.
#[derive(Debug, Clone)]
pub struct Card {
    /// The number.
    pub value: String,
    /// What the number is.
    pub label: &'static str,
    /// Further information.
    pub note: String,
}

/// Cards side by side.
pub fn cards(cards: &[Card]) -> Html {
    let card = |card: &Card| {
        let value = Html::element("div", "value", Html::text(&card.value));
        let label = Html::element("div", "label", Html::text(card.label));
        let note = Html::element("div", "note", Html::text(&card.note));
        Html::element("div", "card", value.and(label).and(note))
    };
    Html::element("div", "cards", cards.iter().map(card).collect())
}

/// A chart or another figure under its title, with a caption. Screen readers read the title as the
/// chart's name.
pub fn figure(title: &'static str, content: Html, caption: impl Into<Html>) -> Html {
    let heading = Html::element("h3", "", Html::text(title));
    let name = format!("<svg aria-label=\"{}\" ", escape(title));
    let content = Html(content.0.replacen("<svg ", &name, 1));
    let caption = Html::element("figcaption", "", caption.into());
    Html::element("figure", "", heading.and(content).and(caption))
}

/// Figures side by side, as many as fit.
pub fn figures(figures: impl IntoIterator<Item = Html>) -> Html {
    Html::element("div", "figures", figures.into_iter().collect())
}

/// Content that opens on a click.
pub fn details(summary: impl Into<Html>, inner: Html) -> Html {
    let summary = Html::element("summary", "", summary.into());
    Html::element("details", "", summary.and(inner))
}

/// Text with its line breaks and indentation.
pub fn code_block(text: &str) -> Html {
    // It may scroll, and whoever has no mouse has to reach it.
    Html(format!("<pre tabindex=\"0\">{}</pre>", escape(text)))
}

/// A hash, a path or another code.
pub fn code(text: impl Display) -> Html {
    Html(format!("<code>{}</code>", escape(&text.to_string())))
}

/// Terms with their definitions.
pub fn definitions(terms: &[(&'static str, &'static str)]) -> Html {
    let term = |(term, meaning): &(&'static str, &'static str)| {
        let term = Html::element("dt", "", Html::text(term));
        Html::element("div", "", term.and(Html::element("dd", "", Html::text(meaning))))
    };
    Html::element("dl", "", terms.iter().map(term).collect())
}

/// One section of a page.
#[derive(Debug, Clone)]
pub struct Section {
    /// The anchor for links.
    pub id: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// What the section shows, for a reader who does not know the field.
    pub intro: Html,
    /// Its content.
    pub body: Html,
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The title of the window and of the page.
    pub title: String,
    /// The line under the title.
    pub subtitle: Html,
    /// Its sections.
    pub sections: Vec<Section>,
    /// Machine-readable data by name, stored in the page and not shown.
    pub data: Vec<(&'static str, String)>,
}

const STYLE: &str = include_str!("page.css");

impl Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let title = escape(&self.title);
        writeln!(f, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")?;
        writeln!(f, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
        writeln!(f, "<meta name=\"generator\" content=\"{MAKER}\">")?;
        writeln!(f, "<meta name=\"color-scheme\" content=\"light dark\">")?;
        // Without this line a browser requests an icon from the server.
        writeln!(f, "<link rel=\"icon\" href=\"data:,\">")?;
        writeln!(f, "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>")?;
        writeln!(f, "<header><h1>{title}</h1>\n{}</header>\n<nav>", self.subtitle.0)?;
        for Section { id, title, .. } in &self.sections {
            writeln!(f, "<a href=\"#{id}\">{}</a>", escape(title))?;
        }
        writeln!(f, "</nav>\n<main>")?;
        for Section { id, title, intro, body } in &self.sections {
            writeln!(f, "<section id=\"{id}\"><h2>{}</h2>", escape(title))?;
            if !intro.is_empty() {
                writeln!(f, "<p class=\"intro\">{}</p>", intro.0)?;
            }
            writeln!(f, "{}</section>", body.0)?;
        }
        writeln!(f, "</main>")?;
        for (name, data) in &self.data {
            let data = data.replace('<', "\\u003c");
            writeln!(f, "{}{data}</script>", data_tag(name))?;
        }
        writeln!(f, "</body>\n</html>")
    }
}

fn data_tag(name: &str) -> String {
    format!("<script type=\"application/json\" id=\"{name}\">")
}

/// The data stored in a [`Page`] under `name`, from its text.
pub fn data<'a>(page: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = page.split_once(&data_tag(name))?;
    rest.split_once("</script>").map(|(data, _)| data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_never_becomes_a_tag_an_attribute_or_an_entity() {
        let text = Html::text("<script>alert('x')</script> \"&amp;\u{1b}");
        assert_eq!(
            text.as_str(),
            "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &quot;&amp;amp;\u{fffd}"
        );
    }

    #[test]
    fn data_come_back_out_of_a_page_whatever_they_hold() {
        let json = r#"{"name":"</script><b>"}"#;
        let page = Page {
            title: "a < b".into(),
            subtitle: Html::default(),
            sections: Vec::new(),
            data: vec![("run", json.into())],
        };
        let page = page.to_string();
        assert!(page.contains("<title>a &lt; b</title>"), "{page}");
        let found = data(&page, "run").unwrap();
        let parsed: serde_json::Value = serde_json::from_str(found).unwrap();
        assert_eq!(parsed["name"], "</script><b>");
        assert_eq!(data(&page, "other"), None);
    }

    #[test]
    #[should_panic(expected = "one cell per column")]
    fn a_row_has_a_cell_for_every_column() {
        Table::new(&[("a", Align::Left), ("b", Align::Right)]).row(vec!["1".into()]);
    }
}
