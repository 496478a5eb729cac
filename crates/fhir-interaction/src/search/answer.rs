//! A page as a Bundle: matches, what they bring along, and a word on how it was searched.

use fhir_model::Failure;
use fhir_search::{ContainedMode, ContainedType};
use fhir_store::StoredVersion;

use crate::app::App;
use crate::page::BundleWriter;
use crate::request::Request;
use crate::search::{Found, Page, Question};

impl Question {
    /// The Bundle of a page.
    ///
    /// # Errors
    /// `MalformedBody` where stored bytes are no resource.
    pub(super) fn write(
        &self,
        app: &App,
        request: &Request,
        page: &Page,
    ) -> Result<Vec<u8>, Failure> {
        let links = self.links(app, &request.base, page);
        let mut bundle = BundleWriter::new("searchset", page.total, &links);
        let picks_contained = self.query.contained != ContainedMode::False
            && self.query.contained_type == ContainedType::Contained;
        for found in &page.matches {
            if picks_contained {
                self.contained(&mut bundle, &request.base, found)?;
            }
            if !picks_contained || found.matched.itself {
                bundle.begin();
                bundle.full_url(&request.base, &found.stored.key);
                bundle.stored(&found.stored, &self.subset)?;
                bundle.search_mode("match");
                bundle.end();
            }
        }
        let subset = self.subset.of_included();
        for stored in &page.included {
            bundle.begin();
            bundle.full_url(&request.base, &stored.key);
            bundle.stored(stored, &subset)?;
            bundle.search_mode("include");
            bundle.end();
        }
        bundle.notes(&page.notes);
        Ok(bundle.finish())
    }

    /// An entry for each contained resource that matched; its URL tells what it is contained in.
    fn contained(
        &self,
        bundle: &mut BundleWriter,
        base: &str,
        found: &Found,
    ) -> Result<(), Failure> {
        let StoredVersion { key, body: Some(body), .. } = &found.stored else { return Ok(()) };
        let resource = body.to_resource(key)?;
        for view in resource.view().contained() {
            let Some(local) = view.id() else { continue };
            if !found.matched.contained.iter().any(|id| id == local.as_str()) {
                continue;
            }
            let mut json = Vec::new();
            self.subset.cut(view, &mut json);
            bundle.begin();
            bundle.contained_url(base, key, local.as_str());
            bundle.resource(&json);
            bundle.search_mode("match");
            bundle.end();
        }
        Ok(())
    }
}
