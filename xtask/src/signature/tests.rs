//! Signatures are deterministic, accepted by the stock tool, and every change of a byte is noticed.

use super::*;
use crate::stock_tools;
use proptest::prelude::*;

fn key() -> SigningKey {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    SigningKey::parse(&pair.sk.to_box(None).unwrap().to_string(), None).unwrap()
}

fn comment() -> TrustedComment {
    TrustedComment {
        product: "edge-node".to_owned(),
        version: "1.2.3-rc.1+5".to_owned(),
        channel: "stable".to_owned(),
        file: "SHA256SUMS".to_owned(),
        development: false,
    }
}

#[test]
fn the_same_input_gives_the_same_signature() {
    let key = key();
    assert_eq!(sign(&key, b"bytes", &comment()), sign(&key, b"bytes", &comment()));
    assert_ne!(sign(&key, b"bytes", &comment()), sign(&key, b"other", &comment()));
}

#[test]
fn a_signature_verifies_and_gives_its_comment_back() {
    let key = key();
    let minisig = sign(&key, b"bytes", &comment()).unwrap();
    assert_eq!(verify(&key.public_key(), b"bytes", minisig.as_bytes()), Ok(comment()));
    assert!(minisig.contains(
        "\ntrusted comment: product=edge-node version=1.2.3-rc.1+5 channel=stable file=SHA256SUMS\n"
    ));
}

#[test]
fn the_minisign_crate_accepts_the_signature() {
    let key = key();
    let minisig = sign(&key, b"bytes", &comment()).unwrap();
    let signature = minisign::SignatureBox::from_string(&minisig).unwrap();
    let public = minisign::PublicKey::from_base64(&key.public_key().to_base64()).unwrap();
    minisign::verify(&public, &signature, std::io::Cursor::new(b"bytes"), true, false, false)
        .unwrap();
}

#[test]
fn stock_minisign_accepts_the_signature_and_shows_the_comment() {
    let (key, folder) = (key(), tempfile::tempdir().unwrap());
    let development = TrustedComment { development: true, ..comment() };
    let minisig = sign(&key, b"bytes", &development).unwrap();
    std::fs::write(folder.path().join("SHA256SUMS"), b"bytes").unwrap();
    std::fs::write(folder.path().join("SHA256SUMS.minisig"), minisig).unwrap();
    std::fs::write(folder.path().join("key.pub"), key.public_key().to_text()).unwrap();
    let base64 = key.public_key().to_base64();
    for arguments in
        [["-V", "-m", "SHA256SUMS", "-p", "key.pub"], ["-V", "-m", "SHA256SUMS", "-P", &base64]]
    {
        let Some(answer) = stock_tools::run(folder.path(), "minisign", &arguments, "") else {
            return;
        };
        assert!(answer.success, "{}", answer.text);
        assert!(
            answer.text.contains("Signature and comment signature verified"),
            "{}",
            answer.text
        );
        assert!(
            answer.text.contains("file=SHA256SUMS DEVELOPMENT KEY: proves nothing"),
            "{}",
            answer.text
        );
    }
}

#[test]
fn another_key_is_named() {
    let (key, other) = (key(), key());
    let minisig = sign(&other, b"bytes", &comment()).unwrap();
    let error = verify(&key.public_key(), b"bytes", minisig.as_bytes()).unwrap_err();
    let expected = format!(
        "was signed by key {}, not by the trusted key {}",
        other.public_key().id(),
        key.public_key().id()
    );
    assert_eq!(error.to_string(), expected);
}

#[test]
fn another_key_that_takes_the_id_of_the_trusted_one_is_caught() {
    let (key, forger) = (key(), key());
    let comment = comment().render().unwrap();
    let signature = forger.sign(&Blake2b512::digest(b"bytes"));
    let whole = forger.sign(&[signature.as_slice(), comment.as_bytes()].concat());
    let minisig = text(key.public_key().id(), &signature, &comment, &whole);
    assert_eq!(
        verify(&key.public_key(), b"bytes", minisig.as_bytes()),
        Err(SignatureError::Altered)
    );
}

#[test]
fn a_changed_file_is_told_from_a_changed_signature() {
    let key = key();
    let minisig = sign(&key, b"bytes", &comment()).unwrap();
    let check = |bytes: &[u8], minisig: &str| {
        verify(&key.public_key(), bytes, minisig.as_bytes()).unwrap_err()
    };
    assert_eq!(check(b"bytez", &minisig), SignatureError::OtherBytes { comment: comment() });
    let edited = minisig.replace("version=1.2.3", "version=1.2.4");
    assert_eq!(check(b"bytes", &edited), SignatureError::Altered);
    let malformed = |text: &str| check(b"bytes", text).to_string();
    assert!(malformed("").contains("fewer than four lines"));
    assert!(malformed(&minisig.replace('\n', "\r\n")).contains("line 2"));
    assert!(malformed(&format!("{minisig}\n")).contains("line 4"));
    assert!(malformed(minisig.trim_end()).contains("line 4"));
    assert!(
        malformed(&minisig.replace("untrusted comment: minisign", "untrusted comment: Minisign"))
            .contains("line 1")
    );
    assert!(malformed(&minisig.replace("\ntrusted", "\nTrusted")).contains("line 3"));
}

#[test]
fn a_signature_of_an_older_kind_is_refused() {
    let key = key();
    let legacy = {
        let signature = key.sign(b"bytes");
        let whole = key.sign(&[signature.as_slice(), b"x"].concat());
        let first =
            encode(&[b"Ed".as_slice(), &key.public_key().id().bytes(), &signature].concat());
        format!(
            "{}\n{first}\ntrusted comment: x\n{}\n",
            untrusted_line(key.public_key().id()),
            encode(&whole)
        )
    };
    let error = verify(&key.public_key(), b"bytes", legacy.as_bytes()).unwrap_err();
    assert!(error.to_string().contains("not ED"), "{error}");
}

#[test]
fn a_comment_of_another_tool_is_refused_though_its_signature_holds() {
    let key = key();
    let signature = key.sign(&Blake2b512::digest(b"bytes"));
    let whole = key.sign(&[signature.as_slice(), b"timestamp:1"].concat());
    let minisig = text(key.public_key().id(), &signature, "timestamp:1", &whole);
    let error = verify(&key.public_key(), b"bytes", minisig.as_bytes()).unwrap_err();
    assert!(matches!(error, SignatureError::Comment(_)), "{error}");
}

#[test]
fn a_field_that_the_comment_cannot_hold_is_not_signed() {
    for value in ["", "a b", "a\nb", "a=b", "\u{e4}", &"a".repeat(256)] {
        let comment = TrustedComment { channel: value.to_owned(), ..comment() };
        let error = sign(&key(), b"", &comment).unwrap_err();
        assert!(error.to_string().contains("channel"), "{error}");
    }
}

#[test]
fn comments_that_are_not_ours_are_refused() {
    let good = "product=p version=1 channel=c file=f";
    assert!(good.parse::<TrustedComment>().is_ok());
    let bad = [
        "",
        "timestamp:1",
        "version=1 product=p channel=c file=f",
        "product=p version=1 channel=c",
        "product=p  version=1 channel=c file=f",
        "product=p version=1 channel=c file=f ",
        "product=p version=1 channel=c file=f more=g",
        "product=p version=1 channel=c file=f DEVELOPMENT KEY",
        "product=p version=1 channel=c file=fDEVELOPMENT KEY: proves nothing",
        "product=p version=1 channel=c file=f  DEVELOPMENT KEY: proves nothing",
        "DEVELOPMENT KEY: proves nothing",
    ];
    for comment in bad {
        assert!(comment.parse::<TrustedComment>().is_err(), "{comment:?}");
    }
}

#[test]
fn public_keys_are_read_with_and_without_their_comment() {
    let public = key().public_key();
    assert_eq!(PublicKey::parse(&public.to_text()), Ok(public.clone()));
    assert_eq!(PublicKey::parse(&public.to_base64()), Ok(public.clone()));
    assert_eq!(PublicKey::parse(&public.to_text().replace('\n', "\r\n")), Ok(public.clone()));
    for text in [
        "",
        "x",
        "untrusted comment: x\n",
        &public.to_base64()[1..],
        &format!("{0}\n{0}", public.to_base64()),
    ] {
        assert_eq!(PublicKey::parse(text), Err(KeyError::Public), "{text:?}");
    }
}

#[test]
fn secret_keys_say_what_is_wrong_with_their_password() {
    let pair = minisign::KeyPair::generate_encrypted_keypair(Some("right".to_owned())).unwrap();
    let encrypted = pair.sk.to_box(None).unwrap().to_string();
    let read = SigningKey::parse(&encrypted, Some("right")).unwrap();
    assert_eq!(read.public_key().to_base64(), pair.pk.to_base64());
    assert_eq!(SigningKey::parse(&encrypted, Some("wrong")).unwrap_err(), KeyError::PasswordWrong);
    assert_eq!(SigningKey::parse(&encrypted, None).unwrap_err(), KeyError::PasswordMissing);
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let plain = pair.sk.to_box(None).unwrap().to_string();
    assert_eq!(SigningKey::parse(&plain, Some("")).unwrap_err(), KeyError::PasswordUnused);
    let line = plain.lines().nth(1).unwrap();
    assert!(SigningKey::parse(line, None).is_ok(), "the base64 line alone");
    let damaged = line.replacen(&line[90..94], "AAAA", 1);
    assert_eq!(SigningKey::parse(&damaged, None).unwrap_err(), KeyError::Secret);
    for text in ["", "x", &plain[..plain.len() - 8]] {
        assert_eq!(SigningKey::parse(text, None).unwrap_err(), KeyError::Secret);
    }
}

#[test]
fn a_secret_key_is_never_shown() {
    let key = key();
    assert_eq!(format!("{key:?}"), format!("SigningKey({}, redacted)", key.public_key().id()));
}

proptest! {
    #[test]
    fn comments_come_back_as_they_were(
        product in "[a-z0-9-]{1,20}", version in "[0-9A-Za-z.+-]{1,20}", channel in "[a-z]{1,9}",
        file in "[A-Za-z0-9._-]{1,40}", development: bool,
    ) {
        let comment = TrustedComment { product, version, channel, file, development };
        prop_assert_eq!(comment.render().unwrap().parse(), Ok(comment));
    }

    #[test]
    fn whatever_parses_as_a_comment_renders_to_the_same_text(text in "(product=[a =]{0,2} ?)(version=b ?)(channel=c ?)(file=[a-c ]{0,3})( DEVELOPMENT KEY: proves nothing)?") {
        if let Ok(comment) = text.parse::<TrustedComment>() {
            prop_assert_eq!(comment.to_string(), text);
        }
    }

    #[test]
    fn any_other_byte_anywhere_in_the_signature_is_noticed(at in any::<prop::sample::Index>(), byte: u8) {
        let key = key();
        let mut minisig = sign(&key, b"bytes", &comment()).unwrap().into_bytes();
        let at = at.index(minisig.len());
        prop_assume!(minisig[at] != byte);
        minisig[at] = byte;
        prop_assert!(verify(&key.public_key(), b"bytes", &minisig).is_err());
    }
}
