//! Keys that expired, were revoked or must not sign.
