//! Boots, enters and halts zones: plan, stage, daemon.
//!
//! Nothing here prints or reads the environment. Namespaces are entered only by processes with one
//! thread; the engine starts none.

mod account;
mod client;
mod control;
mod cpus;
mod daemon;
mod datasets;
mod emulation;
mod error;
mod etc;
mod event;
mod fnmatch;
mod folder;
mod hooks;
mod host;
mod ids;
mod init_kind;
mod login;
mod net;
mod owners;
mod plan;
mod ready;
mod runtime;
mod seal;
mod snapshot;
mod stage;

pub use client::{Attendance, Frozen, apply, attend, freeze, request, request_locked};
pub use control::{Request, Response};
pub use daemon::{is_running, run as run_daemon};
pub use error::{EngineError, chain};
pub use event::note_event;
pub use hooks::Hooks;
pub use host::{brand_folder, load, plan};
pub use ids::{IdError, id_range, sweep_id_ranges};
pub use login::{Relay, Session, relay_for, run};
pub use owners::{WalkError, forget_owners, settle_owners};
pub use plan::{
    BootPlan, Clock, Fake, FsMount, Immutable, IpcLimits, NotEnforced, PlanError, Privileges,
    capability_number,
};
pub use ready::wait_until_up;
pub use runtime::{Phase, RunState, active, console_path};
pub use seal::seal;
pub use snapshot::live_config;
pub use stage::{Ending, Mode, SessionEvent, SessionRequest};
pub use zones_net::DEFAULT_BRIDGE;
