//! Unpacks archives of strangers below a root descriptor.
