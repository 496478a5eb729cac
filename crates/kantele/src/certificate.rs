//! `kantele certificate`: a certificate for TLS where there is none yet, which nobody vouches for.
//!
//! For development, and for the first start of a container. What others are to trust comes from an
//! authority that they know.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{X509, X509Builder, X509Name};

use crate::cli::Certificate;
use crate::{Error, say};

/// The authority that signs one certificate and is gone.
const AUTHORITY: &str = "Kantele, made here";

/// Makes `FILE` with certificate and key, and beside it what clients trust it by, unless `FILE` is
/// there.
///
/// # Errors
/// Where a file cannot be written.
pub(crate) fn run(arguments: &Certificate) -> Result<(), Error> {
    let path = &arguments.file;
    let of = |path: &Path, error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if path.exists() {
        return say(&format!("{} is there, and stays as it is\n", path.display()));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| of(folder, &error))?;
    }
    let made = make(&arguments.name, arguments.days)?;
    let public = path.with_extension("crt");
    let trusted = made.authority.to_pem()?;
    File::create(&public)
        .and_then(|mut file| file.write_all(&trusted))
        .map_err(|error| of(&public, &error))?;
    // The file that says that all is done comes last; nobody else may read the key.
    let both = [made.certificate.to_pem()?, made.key.private_key_to_pem_pkcs8()?].concat();
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options
        .open(path)
        .and_then(|mut file| file.write_all(&both))
        .map_err(|error| of(path, &error))?;
    let names = arguments.name.join(", ");
    say(&format!(
        "{} is made for {names}, for {} days; clients trust it by {}\n",
        path.display(),
        arguments.days,
        public.display()
    ))
}

/// A certificate of the server with its key, and that of the authority that signed it.
struct Made {
    key: PKey<Private>,
    certificate: X509,
    authority: X509,
}

/// Signed by an authority of its own, whose key is forgotten: clients that keep to RFC 5280 take no
/// certificate that is its own authority.
fn make(names: &[String], days: u32) -> Result<Made, ErrorStack> {
    let (authority_key, key) = (new_key()?, new_key()?);
    let mut builder = begin(AUTHORITY, days, &authority_key)?;
    builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
    builder.append_extension(KeyUsage::new().critical().key_cert_sign().build()?)?;
    let id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None))?;
    builder.append_extension(id)?;
    let mut own = X509Name::builder()?;
    own.append_entry_by_nid(Nid::COMMONNAME, AUTHORITY)?;
    builder.set_issuer_name(&own.build())?;
    builder.sign(&authority_key, MessageDigest::sha256())?;
    let authority = builder.build();

    let mut builder = begin(names.first().map_or("localhost", String::as_str), days, &key)?;
    builder.set_issuer_name(authority.subject_name())?;
    builder.append_extension(BasicConstraints::new().critical().build()?)?;
    builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
    builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
    let mut san = SubjectAlternativeName::new();
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            san.ip(name)
        } else {
            san.dns(name)
        };
    }
    let context = builder.x509v3_context(Some(&authority), None);
    let extensions = [
        san.build(&context)?,
        SubjectKeyIdentifier::new().build(&context)?,
        AuthorityKeyIdentifier::new().keyid(true).build(&context)?,
    ];
    for extension in extensions {
        builder.append_extension(extension)?;
    }
    builder.sign(&authority_key, MessageDigest::sha256())?;
    Ok(Made { key, certificate: builder.build(), authority })
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    PKey::from_ec_key(EcKey::generate(&group)?)
}

/// What every certificate has.
fn begin(subject: &str, days: u32, key: &PKey<Private>) -> Result<X509Builder, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_nid(Nid::COMMONNAME, subject)?;
    let mut serial = BigNum::new()?;
    serial.rand(96, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(serial.to_asn1_integer()?.as_ref())?;
    builder.set_subject_name(&name.build())?;
    builder.set_not_before(Asn1Time::days_from_now(0)?.as_ref())?;
    builder.set_not_after(Asn1Time::days_from_now(days)?.as_ref())?;
    builder.set_pubkey(key)?;
    Ok(builder)
}
