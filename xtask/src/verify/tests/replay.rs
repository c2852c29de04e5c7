//! Releases that were signed, but by somebody else or as something else.

use super::*;

#[test]
fn a_release_signed_by_another_key_is_caught() {
    let (maker, other) = (Maker::new(), Maker::new());
    let packages = PACKAGES.map(|name| name("1.2.3"));
    let signed = SIGNED.into_iter().chain(packages.iter().map(String::as_str));
    let signatures: Vec<_> = signed.map(|name| format!("{name}{SUFFIX}")).collect();
    let mut blamed: Vec<&str> = signatures.iter().map(String::as_str).collect();
    caught_with(&maker, &other.release("1.2.3"), &blamed, "not by the trusted key");
    let development = Maker { signed_by: SignedBy::Development, ..Maker::new() };
    caught_with(&maker, &development.release("1.2.3"), &blamed, "it names a development key");
    // One signature of another key is enough.
    let files = maker.release("1.2.3");
    let name = blamed.remove(0);
    let changed = made::with(&files, name, &other.release("1.2.3")[name]);
    caught(&maker, &changed, &[name]);
}

#[test]
fn an_older_release_whose_files_were_renamed_is_caught() {
    let maker = Maker::new();
    let renamed: Files = maker
        .release("1.0.0")
        .into_iter()
        .map(|(name, bytes)| (name.replace("1.0.0", "2.0.0"), bytes))
        .collect();
    let names = [ZIP, SETUP, TAR, DEB, RPM, PROMETHEUS].map(|name| name("2.0.0"));
    let signed = PACKAGES.into_iter().flat_map(|name| [name("2.0.0"), name("1.0.0")]);
    let signatures: Vec<_> = signed.map(|name| format!("{name}{SUFFIX}")).collect();
    let blamed: Vec<_> = names.iter().chain(&signatures).map(String::as_str).collect();
    let text = caught(&maker, &renamed, &blamed);
    for name in names {
        let old = name.replace("2.0.0", "1.0.0");
        assert!(text.contains(&format!("{name}: is {old} under another name")), "{text}");
    }
}

#[test]
fn an_older_release_in_a_folder_of_the_new_name_is_caught() {
    let maker = Maker::new();
    let mut old = snapshot(&maker.release("1.0.0"));
    assert!(release(&old, &maker.options()).is_ok());
    for folder in ["edge-node-2.0.0", "v2.0.0"] {
        folder.clone_into(&mut old.folder);
        let findings = release(&old, &maker.options()).unwrap_err();
        let expected = format!("release.json: is of another version than its folder {folder} says");
        assert!(findings[0].to_string().starts_with(&expected), "{findings:?}");
    }
}

#[test]
fn an_older_release_is_caught_where_a_newer_one_is_expected() {
    let maker = Maker::new();
    let old = snapshot(&maker.release("1.0.0"));
    let expecting = |change: fn(&mut Options)| {
        let mut options = maker.options();
        change(&mut options);
        let findings = release(&old, &options).unwrap_err();
        assert_eq!(findings.len(), 1, "{findings:?}");
        findings[0].to_string()
    };
    assert_eq!(
        expecting(|options| options.expected_version = Some("2.0.0".to_owned())),
        "release.json: is of another version than expected\n  expected: 2.0.0\n  found: 1.0.0\n  help: this may \
         be an older release, served as a new one"
    );
    assert!(
        expecting(|options| options.expected_channel = Some("beta".to_owned()))
            .contains("another channel")
    );
    assert!(
        expecting(|options| options.expected_product = Some("other".to_owned()))
            .contains("another product")
    );
}

#[test]
fn files_of_an_older_release_among_the_new_ones_are_caught() {
    let maker = Maker::new();
    let (new, old) = (maker.release("2.0.0"), maker.release("1.0.0"));
    let (zip, old_zip) = (ZIP("2.0.0"), ZIP("1.0.0"));
    caught_with(&maker, &made::with(&new, &zip, &old[&old_zip]), &[&zip], "was changed");
    let changed = made::with(&new, "release.json.minisig", &old["release.json.minisig"]);
    let message = "is the signature of other bytes (edge-node 1.0.0, channel stable)";
    caught_with(&maker, &changed, &["release.json"], message);
    let packages = PACKAGES.map(|name| (name("2.0.0"), name("1.0.0")));
    for (name, old_name) in &packages {
        let signatures = [name, old_name].map(|name| format!("{name}{SUFFIX}"));
        let changed = made::with(&new, &signatures[0], &old[&signatures[1]]);
        caught_with(&maker, &changed, &[&signatures[0]], "was made for another version");
    }
    for name in &SIGNED[1..] {
        let signature = format!("{name}{SUFFIX}");
        let message = "was made for another version\n  expected: 2.0.0\n  found: 1.0.0";
        let changed = made::with(&new, &signature, &old[&signature]);
        caught_with(&maker, &changed, &[&signature], message);
        // File and signature of the older release fit each other, but not the rest.
        let changed = made::with(&changed, name, &old[*name]);
        caught_with(&maker, &changed, &[name, &signature], message);
    }
    let both = ["release.json", "release.json.minisig"];
    let changed = both.iter().fold(new, |files, name| made::with(&files, name, &old[*name]));
    assert!(judge(&maker, &changed).is_err());
}
