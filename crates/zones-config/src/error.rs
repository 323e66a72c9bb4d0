//! The classic one-line reasons of libzonecfg.

/// Why a configuration, a resource or a property is refused; printed as `SUBJECT: TEXT`.
///
/// Source: illumos libzonecfg, `zonecfg_strerror`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)]
pub enum Reason {
    #[error("No such entry")]
    NoEntry,
    #[error("Bogus zone name")]
    BogusZoneName,
    #[error("Required resource missing")]
    RequiredResourceMissing,
    #[error("Required property missing")]
    RequiredPropertyMissing,
    #[error("Invalid argument")]
    Invalid,
    #[error("No such zone configured")]
    NoZone,
    #[error("No such resource type")]
    NoResourceType,
    #[error("No such property type")]
    NoPropertyType,
    #[error("Zone state is invalid for the requested operation")]
    BadZoneState,
    #[error("Invalid document")]
    InvalidDocument,
    #[error("Zone name already in use")]
    NameInUse,
    #[error("Insufficient specification")]
    InsufficientSpec,
    #[error("Specified privilege is prohibited")]
    PrivProhibited,
    #[error("Required privilege is missing")]
    PrivRequired,
    #[error("Specified privilege is unknown")]
    PrivUnknown,
    #[error("Brand-specific error")]
    BrandError,
    #[error("Incompatible settings")]
    Incompatible,
    #[error("An incompatible rctl already exists for this property")]
    AliasDisallow,
    #[error("Clearing this property is not allowed")]
    ClearDisallow,
    #[error("Specified property is invalid")]
    InvalidProperty,
}
