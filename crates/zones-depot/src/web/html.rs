//! Text for browsers. What is not a constant of this program is always escaped.

use crate::http::reply::escape;

/// Nothing is loaded but our own style and images, nothing runs, nobody frames us.
pub(super) const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
                                 form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A piece of a page.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup; only what this program consists of can be markup.
    pub(super) fn raw(&mut self, markup: &'static str) -> &mut Self {
        self.0 += markup;
        self
    }

    /// Adds text.
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0 += &escape(text);
        self
    }

    /// Adds a link to a path of ours.
    pub(super) fn link(&mut self, path: &str, text: &str) -> &mut Self {
        self.raw("<a href=\"")
            .text(path)
            .raw("\">")
            .text(text)
            .raw("</a>")
    }

    /// Adds a cell of a table.
    pub(super) fn cell(&mut self, text: &str) -> &mut Self {
        self.raw("<td>").text(text).raw("</td>")
    }

    pub(super) fn append(&mut self, other: &Self) -> &mut Self {
        self.0 += &other.0;
        self
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Html;

    #[test]
    fn text_is_never_markup() {
        let mut html = Html::default();
        html.link("/x\"><script>", "<b>&'").cell("</td>");
        assert_eq!(
            html.into_text(),
            "<a href=\"/x&quot;&gt;&lt;script&gt;\">&lt;b&gt;&amp;&#39;</a><td>&lt;/td&gt;</td>"
        );
    }
}
