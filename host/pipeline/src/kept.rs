//! Copies of plugins and policies in the lake: what one host of a mesh began, another may have to complete.

use std::collections::BTreeMap;
use std::path::{Component, Path};

use bytes::Bytes;
use malla_policy::PolicyFiles;

use crate::error::FlowError;
use crate::mesh::Mesh;
use crate::plan::Flow;
use crate::plugins::keep;

impl Mesh {
    /// Sees to it that every host can get what this flow runs with, before it commits anything.
    pub(crate) async fn share(&self, flow: &Flow) -> Result<(), FlowError> {
        let digest = flow.plugin.digest();
        self.share_plugin(digest).await?;
        let name = policy(&flow.policy_digest);
        if let Some(files) = self.policies.files_of(&flow.policy_digest)
            && !self.lake.is_kept(&name).await?
        {
            let texts: BTreeMap<&str, &str> = files.texts().collect();
            let texts = serde_json::to_vec(&texts).unwrap_or_default();
            self.lake.keep(&name, Bytes::from(texts)).await?;
        }
        Ok(())
    }

    pub(crate) async fn share_plugin(&self, digest: &str) -> Result<(), FlowError> {
        if self.lake.is_kept(&plugin(digest)).await? {
            return Ok(());
        }
        let path = self.loader.copy(digest);
        let component = tokio::task::block_in_place(|| std::fs::read(&path))
            .map_err(|source| FlowError::Copy { path, source })?;
        Ok(self.lake.keep(&plugin(digest), Bytes::from(component)).await?)
    }

    /// Gets a copy of a plugin that another host shared, if there is none here.
    pub(crate) async fn borrow_plugin(&self, digest: &str) -> Result<(), FlowError> {
        let path = self.loader.copy(digest);
        if !path.exists()
            && let Some(component) = self.lake.kept(&plugin(digest)).await?
        {
            keep(&path, &component).map_err(|source| FlowError::Copy { path, source })?;
        }
        Ok(())
    }

    /// Gets copies that another host shared. What comes out is used only if its digest is right.
    pub(crate) async fn borrow(&self, plugin_digest: &str, policy_digest: &str) -> Result<(), FlowError> {
        self.borrow_plugin(plugin_digest).await?;
        if self.policies.of_digest(policy_digest).is_none()
            && let Some(texts) = self.lake.kept(&policy(policy_digest)).await?
            && let Ok(texts) = serde_json::from_slice::<BTreeMap<String, String>>(&texts)
        {
            let files = texts
                .into_iter()
                .filter(|(name, _)| stays_inside(name))
                .fold(PolicyFiles::new("policies"), |files, (name, text)| {
                    files.with(&name, text)
                });
            self.policies
                .keep(policy_digest, &files)
                .map_err(|source| FlowError::Copy {
                    path: self.config.state.join("policies"),
                    source,
                })?;
        }
        Ok(())
    }
}

/// Whether a name leads nowhere but into the folder that it is joined to.
fn stays_inside(name: &str) -> bool {
    Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)))
}

fn plugin(digest: &str) -> String {
    format!("plugins/{}.wasm", plain(digest))
}

fn policy(digest: &str) -> String {
    format!("policies/{}.json", plain(digest))
}

/// A digest as the name of a file.
pub(crate) fn plain(digest: &str) -> String {
    digest.chars().filter(char::is_ascii_alphanumeric).collect()
}
