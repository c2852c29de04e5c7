//! When certificates are due, how long they live, what can be issued, renewed and revoked, and the index read back.

use super::*;
use crate::ca::request::Purpose;

/// A moment so many days after the authority was made.
fn day(days: i64) -> Timestamp {
    Timestamp::from_second(1_900_000_000 + days * 86_400).unwrap()
}

fn serial(number: u8) -> Serial {
    Serial::from_random([number; 16])
}

fn entry(name: &str, number: u8, now: Timestamp) -> Entry {
    let request = Request {
        purposes: vec![Purpose::Server],
        dns: vec![name.to_owned()],
        ips: vec![],
        uris: vec![],
        days: 30,
    };
    Entry::new(name.parse().unwrap(), serial(number), request, now, day(3650))
}

fn index(entries: &[Entry]) -> Index {
    let mut index = Index::new(day(0), 30);
    index.certificates = entries.to_vec();
    index
}

fn name(text: &str) -> Target {
    text.parse().unwrap()
}

#[track_caller]
fn check(index: &Index, now: Timestamp, expected: &[Status]) {
    assert_eq!(index.statuses(now), expected);
}

#[test]
fn a_certificate_is_due_when_two_thirds_of_its_life_are_over() {
    let index = index(&[entry("a", 1, day(0))]);
    check(&index, day(19), &[Status::Valid]);
    check(&index, day(20), &[Status::Due]);
    check(&index, day(29), &[Status::Due]);
    check(&index, day(30), &[Status::Expired]);
}

#[test]
fn validity_begins_a_little_before_and_has_whole_seconds() {
    let now = "2030-01-01T12:00:00.123456Z".parse().unwrap();
    let (not_before, not_after) = validity(now, 1);
    assert_eq!(not_before, "2030-01-01T11:55:00Z".parse().unwrap());
    assert_eq!(not_after, "2030-01-02T12:00:00Z".parse().unwrap());
}

#[test]
fn a_certificate_does_not_outlive_its_authority() {
    let request = entry("a", 1, day(0)).request;
    let short = Entry::new("a".parse().unwrap(), serial(1), request, day(0), day(3));
    assert_eq!(short.not_after, day(3));
}

#[test]
fn a_later_certificate_of_the_name_takes_the_place() {
    let index = index(&[entry("a", 1, day(0)), entry("b", 2, day(0)), entry("a", 3, day(20))]);
    check(&index, day(21), &[Status::Superseded, Status::Due, Status::Valid]);
    check(&index, day(31), &[Status::Replaced, Status::Expired, Status::Valid]);
}

#[test]
fn a_name_with_a_good_certificate_cannot_have_another() {
    let mut index = index(&[entry("a", 1, day(0))]);
    let error = index.issue(entry("a", 2, day(25)), day(25)).unwrap_err();
    assert_eq!(error.to_string(), "a: has a certificate already");
    index.issue(entry("a", 2, day(30)), day(30)).unwrap();
    index.revoke(&name("a"), Reason::Unspecified, day(31)).unwrap();
    index.issue(entry("a", 3, day(31)), day(31)).unwrap();
}

#[test]
fn a_name_is_revoked_with_all_its_certificates_and_a_serial_number_alone() {
    let entries = [entry("a", 1, day(0)), entry("a", 2, day(20)), entry("b", 3, day(20))];
    let mut by_name = index(&entries);
    let revoked = by_name.revoke(&name("a"), Reason::KeyCompromise, day(21)).unwrap();
    let a = || "a".parse::<Name>().unwrap();
    assert_eq!(revoked, [(a(), serial(1)), (a(), serial(2))]);
    check(&by_name, day(21), &[Status::Revoked, Status::Revoked, Status::Valid]);
    let again = by_name.revoke(&name("a"), Reason::Superseded, day(22)).unwrap();
    assert_eq!(again, []);
    let expected = Some(Revoked { at: day(21), reason: Reason::KeyCompromise });
    assert_eq!(by_name.certificates[0].revoked, expected, "the first reason stays");

    let mut by_serial = index(&entries);
    let target = name(&serial(1).to_string());
    by_serial.revoke(&target, Reason::Unspecified, day(21)).unwrap();
    check(&by_serial, day(21), &[Status::Revoked, Status::Valid, Status::Valid]);
}

#[test]
fn what_was_not_issued_cannot_be_revoked() {
    let error = index(&[]).revoke(&name("a"), Reason::Unspecified, day(0)).unwrap_err();
    assert_eq!(error.to_string(), "a: was not issued here");
}

#[test]
fn lists_are_numbered_and_forget_what_expired_a_list_s_life_ago() {
    let mut index =
        index(&[entry("a", 1, day(0)), entry("a", 2, day(20)), entry("gone", 3, day(0))]);
    index.revoke(&name("gone"), Reason::Unspecified, day(1)).unwrap();
    index.next_list(day(59));
    assert_eq!(index.certificates.len(), 3);
    assert_eq!(index.revocation_list.number, 2);
    assert_eq!(index.revocation_list.next_update, day(89));
    index.next_list(day(60));
    assert_eq!(index.certificates, [entry("a", 2, day(20))], "expired, but can be renewed");
    assert_eq!(index.revocation_list.number, 3);
}

#[test]
fn the_index_is_read_back_as_it_was_written() {
    let mut index = index(&[entry("a", 1, day(0))]);
    index.revoke(&name("a"), Reason::KeyCompromise, day(1)).unwrap();
    assert_eq!(Index::parse(index.to_json().as_bytes()), Ok(index));
}

#[test]
fn an_index_of_another_version_or_with_unknown_keys_is_refused() {
    let json = index(&[]).to_json();
    let later = json.replace("\"version\": 1", "\"version\": 2");
    let refused = Index::parse(later.as_bytes()).unwrap_err();
    assert_eq!(refused.to_string(), "has version 2, this program knows 1");
    let more = json.replace("\"version\": 1", "\"version\": 1, \"x\": 1");
    let refused = Index::parse(more.as_bytes()).unwrap_err();
    assert_eq!(refused.to_string(), "is no index of an authority (line 2, column 19)");
}
