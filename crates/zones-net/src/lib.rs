//! Links, addresses and routes of a zone by netlink.
