//! Storage drivers: where the files of a zone live.
