//! The end of a session that is not published: its client gave it up, another one takes its place, or it expired.
//!
//! It ends in one transaction; its files go afterwards. A canceled session whose files are still marked as
//! received is one whose files were not looked at yet, so an end that was broken off goes on at the next sweep.

use serde_json::json;
use sqlx::AnyConnection;

use crate::error::IndexError;
use crate::index::Index;
use crate::store::{self, Entry, SessionRow};

/// Who ends a session that nobody touched for too long.
const ACTOR: &str = "index";

impl Index {
    /// Cancels a session. Its files go with [`Index::clear`], after the commit.
    pub(super) async fn end(
        &self,
        connection: &mut AnyConnection,
        actor: &str,
        session: &SessionRow,
    ) -> Result<(), IndexError> {
        store::cancel(connection, &session.id).await?;
        let at = self.clock.text();
        let entry = Entry {
            at: &at,
            actor,
            action: "cancel-session",
            project: session.name.normalized(),
            object: &session.version.to_string(),
            detail: json!({ "session": session.id }),
        };
        store::append(connection, entry).await?;
        self.faults.pass("end.journal");
        Ok(())
    }

    /// Removes the files of a canceled session that nothing else stands on; what fails is left to the sweep.
    pub(super) async fn clear(&self, session: &SessionRow) {
        if let Err(error) = self.try_clear(&session.id, session.name.normalized()).await {
            tracing::warn!(%error, session = session.id, "the files of a canceled session are still there");
        }
    }

    async fn try_clear(&self, id: &str, project: &str) -> Result<(), IndexError> {
        let mut write = self.store.write_project(project).await?;
        let Some(session) = store::session(&mut write, id).await?.filter(|now| now.state == "canceled")
        else {
            return Ok(());
        };
        for file in session.files.iter().filter(|file| file.received) {
            self.drop_bytes(&mut write, &file.sha256).await?;
            if let Some(metadata) = &file.metadata_sha256 {
                store::drop_metadata(&mut write, metadata).await?;
            }
        }
        store::mark_cleared(&mut write, id).await?;
        write.commit().await?;
        Ok(())
    }

    /// Ends the sessions that expired, so that their names are free and their files go.
    pub(crate) async fn end_expired(&self) -> Result<(), IndexError> {
        let now = self.clock.text();
        let expired = store::expired_sessions(&mut *self.store.read().await?, &now).await?;
        for (id, project) in expired {
            let mut write = self.store.write_project(&project).await?;
            let session = store::session(&mut write, &id).await?;
            // It may have been extended, published or canceled since.
            let Some(session) = session.filter(|one| one.state == "open" && one.expires_at <= now) else {
                continue;
            };
            self.end(&mut write, ACTOR, &session).await?;
            write.commit().await?;
            self.faults.pass("end.committed");
            tracing::info!(project, version = %session.version, "an upload session expired");
        }
        let uncleared = store::uncleared_sessions(&mut *self.store.read().await?).await?;
        for (id, project) in uncleared {
            self.try_clear(&id, &project).await?;
        }
        Ok(())
    }
}
