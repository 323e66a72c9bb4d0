//! A zone at rest while somebody looks at its files: stopped for as long as who asked is there.

use std::time::Duration;

use zones_cgroup::ZoneGroup;
use zones_store::Layout;
use zones_sys::Channel;
use zones_types::{ZoneName, ZoneState};

use super::{Daemon, wait};
use crate::control::{Request, Response};
use crate::error::EngineError;
use crate::host;
use crate::stage::{receive, send};

/// How long the processes of a zone may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who wants the processes of the zone stopped, as long as it is there, and since when.
pub(super) struct Frozen {
    pub(super) client: Channel,
    since_ms: i64,
}

impl Daemon {
    /// Stops the zone for a client, who is kept.
    pub(super) fn freeze(&mut self, client: Channel) {
        let done = match (&self.frozen, self.state()) {
            (Some(_), _) => Err("a snapshot of the zone is being taken already".to_owned()),
            (None, ZoneState::Ready | ZoneState::Running) => {
                stop(&self.layout, &self.zone).map_err(|error| error.chain())
            }
            (None, state) => Err(format!(
                "cannot stop the processes of a zone that is {state}"
            )),
        };
        match done {
            Err(text) => {
                let _ = send(&client, &Response::failed(text), &[]);
            }
            Ok(()) if send(&client, &Response::done(), &[]).is_ok() => {
                let since_ms = wait::now_ms();
                self.frozen = Some(Frozen { client, since_ms });
            }
            // Who asked is gone.
            Ok(()) => thaw(&self.layout, &self.zone),
        }
    }

    /// Lets the zone go on, whoever wanted it to rest.
    pub(super) fn thaw(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            self.end_rest(frozen.since_ms);
        }
    }

    fn end_rest(&mut self, since_ms: i64) {
        thaw(&self.layout, &self.zone);
        if let Some(watch) = &mut self.trial {
            // Nobody comes up who stands still.
            watch.put_off(wait::now_ms() - since_ms);
        }
    }

    /// Who had the zone stopped is done with it, or gone.
    pub(super) fn on_frozen_client(&mut self) {
        let Some(Frozen { client, since_ms }) = self.frozen.take() else {
            return;
        };
        self.end_rest(since_ms);
        if let Ok(Some((Request::Thaw, _))) = receive::<Request>(&client) {
            let _ = send(&client, &Response::done(), &[]);
        }
    }
}

fn stop(layout: &Layout, zone: &ZoneName) -> Result<(), EngineError> {
    let hierarchies = host::every_hierarchy()?;
    let name = layout.kernel_name();
    let mut group = ZoneGroup::open(&hierarchies, &name, zone)?;
    Ok(group.rest(&hierarchies, &name, PATIENCE)?)
}

/// Lets all processes of the zone go on; also after a daemon that died while they were stopped.
pub(super) fn thaw(layout: &Layout, zone: &ZoneName) {
    let group = host::every_hierarchy()
        .and_then(|all| Ok(ZoneGroup::open(&all, &layout.kernel_name(), zone)?));
    if let Ok(group) = group {
        // A host without a freezer has stopped nobody.
        let _ = group.thaw();
    }
}
