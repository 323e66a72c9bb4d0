//! Package images, the client half of pkg(1): what is installed in a folder, and how that changes.
//!
//! An image is a root folder with its packaging data below `var/pkg`. An operation is planned
//! whole, its content fetched and verified, and only then laid down, action by action, so that a
//! process killed at any point leaves an image that the next command repairs.
//!
//! Everything below the root may belong to a stranger: paths are walked by descriptor.
