//! The update commands of the app controller: where updates come from, asking, installing.

use serambi_protocol::{Code, Refusal};

use super::AppController;
use crate::{
    update_source::UpdateSource,
    updates::{UpdatedBy, updated_by},
    view::UpdatesView,
};

/// The address of whoever made this package, as it was when it was compiled.
const BUILT_IN: Option<&str> = option_env!("SERAMBI_UPDATE_SOURCE");

impl AppController {
    /// How it stands with updates.
    pub(super) fn updates_view(&self) -> UpdatesView {
        UpdatesView {
            updated_by: updated_by(&self.shared.app),
            source: self.update_source(),
            state: self.shared.updates.state(),
        }
    }

    /// Where updates come from; none: from whoever made the package, if they said so, or from nobody.
    ///
    /// # Errors
    /// `link_wrong`, `profile_broken`.
    pub fn set_update_source(&self, line: Option<&str>) -> Result<(), Refusal> {
        let line = line.map(str::trim).filter(|line| !line.is_empty());
        line.map(UpdateSource::read).transpose()?;
        self.shared.updates.forget();
        self.change_settings(|settings| settings.computer.update_source = line.map(str::to_owned))
    }

    /// Asks whether there is a newer version.
    ///
    /// # Errors
    /// `link_wrong`: no address is set. `not_allowed`: this copy is updated by somebody else.
    pub async fn ask_for_update(&self) -> Result<(), Refusal> {
        if updated_by(&self.shared.app) != UpdatedBy::Itself {
            return Err(Refusal::new(Code::NotAllowed, "updated by somebody else"));
        }
        let source = UpdateSource::read(&self.update_source().unwrap_or_default())?;
        self.shared.updates.ask(&self.shared.app, &source, || self.tell_changed()).await;
        Ok(())
    }

    fn update_source(&self) -> Option<String> {
        let built_in = || BUILT_IN.filter(|line| !line.is_empty()).map(str::to_owned);
        self.settings().computer.update_source.or_else(built_in)
    }

    /// Installs what was found.
    pub async fn install_update(&self) {
        self.shared.updates.install(|| self.tell_changed()).await;
    }
}
