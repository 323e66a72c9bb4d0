//! Boots, enters and halts zones: plan, stage, daemon.
