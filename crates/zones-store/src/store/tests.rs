use std::fs;

use super::*;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(Layout::below(folder.path()));
    (folder, store)
}

fn config(name: &str) -> ZoneConfig {
    let mut config = ZoneConfig::blank(name.parse().unwrap());
    config.zonepath = Some(format!("/zones/{name}").parse().unwrap());
    config
}

#[test]
fn an_empty_host_has_no_zones() {
    let (_folder, store) = store();
    let name = "z1".parse().unwrap();
    assert_eq!(store.list().unwrap(), []);
    assert_eq!(store.get(&name).unwrap(), None);
    let error = store.load(&name).unwrap_err();
    assert_eq!(error.to_string(), "z1: No such zone configured");
    assert!(matches!(
        store.delete(&name),
        Err(StoreError::NoSuchZone(_))
    ));
}

#[test]
fn a_zone_is_saved_renamed_and_deleted() {
    let (folder, store) = store();
    let (z1, z2): (ZoneName, ZoneName) = ("z1".parse().unwrap(), "z2".parse().unwrap());
    store.save(&config("z1")).unwrap();
    assert_eq!(store.load(&z1).unwrap(), config("z1"));
    let index = fs::read_to_string(folder.path().join("etc/zones/index")).unwrap();
    assert!(
        index.ends_with("global:installed:/\nz1:configured:/zones/z1:\n"),
        "{index}"
    );

    store.rename(&z1, &z2).unwrap();
    assert_eq!(store.list().unwrap()[0].name, z2);
    assert!(!store.document(&z1).exists());
    store.save(&config("z1")).unwrap();
    let error = store.rename(&z1, &z2).unwrap_err();
    assert_eq!(error.to_string(), "z2: Zone name already in use");

    store.delete(&z1).unwrap();
    store.delete(&z2).unwrap();
    assert_eq!(store.list().unwrap(), []);
    let mut left: Vec<_> = fs::read_dir(store.layout().etc()).unwrap().collect();
    assert_eq!(left.pop().unwrap().unwrap().file_name(), "index");
    assert!(left.is_empty());
}

#[test]
fn a_uuid_is_given_once_and_kept() {
    let (_folder, store) = store();
    let name: ZoneName = "z1".parse().unwrap();
    assert_eq!(store.save(&config("z1")).unwrap().uuid, "");
    let uuid = store.set_state(&name, ZoneState::Incomplete).unwrap().uuid;
    assert_eq!(uuid.len(), 36);
    assert_eq!(
        store.set_state(&name, ZoneState::Installed).unwrap().uuid,
        uuid
    );
    store.save(&config("z1")).unwrap();
    let entry = store.find_uuid(&uuid).unwrap().unwrap();
    assert_eq!(
        (entry.name, entry.state),
        (name.clone(), ZoneState::Installed)
    );
    assert!(store.set_state(&name, ZoneState::Running).is_err());
}

#[test]
fn extended_fields_follow_the_configuration() {
    let (folder, store) = store();
    let etc = folder.path().join("etc/zones");
    fs::create_dir_all(&etc).unwrap();
    fs::write(etc.join("index"), "# mine\nz1:installed:/old:u:lx:excl:7\n").unwrap();
    store.save(&config("z1")).unwrap();
    let text = fs::read_to_string(etc.join("index")).unwrap();
    assert_eq!(text, "# mine\nz1:installed:/zones/z1:u:ipkg:shared:7\n");
}

#[test]
fn templates_come_from_files_zones_and_the_binary() {
    let (folder, store) = store();
    let template = |name: &str| store.template(&name.parse().unwrap()).unwrap();
    assert_eq!(template("SYSlx").unwrap().brand.unwrap().as_str(), "lx");
    assert_eq!(template("nothing"), None);
    store.save(&config("z1")).unwrap();
    assert_eq!(template("z1"), Some(config("z1")));
    let own = folder.path().join("etc/zones/templates");
    fs::create_dir_all(&own).unwrap();
    let mut changed = config("SYSlx");
    changed.zonepath = None;
    changed.bootargs = "-m verbose".into();
    fs::write(own.join("SYSlx.xml"), write_document(&changed)).unwrap();
    assert_eq!(template("SYSlx"), Some(changed));
    let error = store.save(&config("SYSlx")).unwrap_err();
    assert!(matches!(error, StoreError::Reserved(_)));
}

#[test]
fn a_broken_document_is_named_with_its_place() {
    let (_folder, store) = store();
    store.save(&config("z1")).unwrap();
    let name = "z1".parse().unwrap();
    fs::write(store.document(&name), "<zone>\n").unwrap();
    let error = store.load(&name).unwrap_err().to_string();
    assert!(error.ends_with("z1.xml`: line 1, column 1: `zone` lacks its attribute `name`"));
}

#[test]
fn a_writer_that_died_is_cleaned_up_by_the_next() {
    let (_folder, store) = store();
    store.save(&config("z1")).unwrap();
    let half = store.layout().etc().join(".z2.xml.tmp-4242");
    fs::write(&half, "<zone na").unwrap();
    assert_eq!(store.list().unwrap().len(), 1);
    store.save(&config("z1")).unwrap();
    assert!(!half.exists());
}
