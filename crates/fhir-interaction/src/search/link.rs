//! The links of a page: where it stands and where to go on.
//!
//! For a GET they carry the client's own parameters, and a sealed cursor behind them. What was
//! posted stays out of URLs: those links have nothing but a cursor, which holds the parameters.

use crate::app::App;
use crate::cursor::{self, SearchCursor};
use crate::query_string;
use crate::search::{Page, Question};

impl Question {
    /// Relation and URL, in the order of the Bundle.
    pub(super) fn links(&self, app: &App, base: &str, page: &Page) -> Vec<(&'static str, String)> {
        let applied = self.query.applied.as_slice();
        let shown = if self.is_posted { &[] } else { applied };
        let seal = |cursor: &SearchCursor| cursor.seal(app.secret());
        let mut links = Vec::with_capacity(4);
        links.push(("self", self.own_url(base, shown)));
        let first = self.is_posted.then(|| seal(&self.start()));
        links.push(("first", self.url(base, shown, first.as_deref())));
        if let Some(previous) = &page.previous {
            links.push(("previous", self.url(base, shown, Some(&seal(previous)))));
        }
        if let Some(next) = &page.next {
            links.push(("next", self.url(base, shown, Some(&seal(next)))));
        }
        links
    }

    /// What was really asked; of a posted search without a cursor the bare URL.
    fn own_url(&self, base: &str, shown: &[(String, String)]) -> String {
        if self.is_posted && self.sealed.is_none() {
            let path = self.place.path();
            let separator = if path.is_empty() { "" } else { "/" };
            return format!("{base}{separator}{path}/_search");
        }
        self.url(base, shown, self.sealed.as_deref())
    }

    fn url(&self, base: &str, pairs: &[(String, String)], sealed: Option<&str>) -> String {
        let mut url = String::with_capacity(base.len() + 64);
        url.push_str(base);
        let path = self.place.path();
        if !path.is_empty() {
            url.push('/');
            url.push_str(&path);
        }
        let mut query = query_string::query(pairs);
        if let Some(sealed) = sealed {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(cursor::PARAMETER);
            query.push('=');
            query.push_str(sealed);
        }
        if !query.is_empty() {
            url.push('?');
            url.push_str(&query);
        }
        url
    }
}
