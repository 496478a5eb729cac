//! A certificate authority of a test: certificates of servers and clients, revocation lists.

use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName,
    SubjectKeyIdentifier,
};
use openssl::x509::{CrlNumber, X509, X509Builder, X509CrlBuilder, X509Name, X509RevokedBuilder};

const DAY_S: i64 = 86_400;

/// An authority with its key.
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

/// What a certificate is to say.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Parts of the subject: short name and value.
    pub subject: &'a [(&'a str, &'a str)],
    pub is_server: bool,
    /// Valid from and until, in days from now.
    pub days: (i64, i64),
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Issued {
    pub certificate_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
    pub der: Vec<u8>,
}

fn new_key() -> PKey<Private> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

#[allow(clippy::disallowed_methods, reason = "certificates are held against the real clock")]
fn in_days(days: i64) -> Asn1Time {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Asn1Time::from_unix(i64::try_from(now.as_secs()).unwrap() + days * DAY_S).unwrap()
}

fn serial() -> Asn1Integer {
    let mut number = BigNum::new().unwrap();
    number.rand(96, MsbOption::MAYBE_ZERO, false).unwrap();
    Asn1Integer::from_bn(&number).unwrap()
}

fn begin(subject: &[(&str, &str)], days: (i64, i64), key: &PKey<Private>) -> X509Builder {
    let mut name = X509Name::builder().unwrap();
    for (part, value) in subject {
        name.append_entry_by_text(part, value).unwrap();
    }
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&serial()).unwrap();
    builder.set_subject_name(&name.build()).unwrap();
    builder.set_not_before(&in_days(days.0)).unwrap();
    builder.set_not_after(&in_days(days.1)).unwrap();
    builder.set_pubkey(key).unwrap();
    builder
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = new_key();
        let mut builder = begin(&[("CN", name)], (-2, 30), &key);
        let own = X509Name::builder();
        let mut own = own.unwrap();
        own.append_entry_by_text("CN", name).unwrap();
        builder.set_issuer_name(&own.build()).unwrap();
        builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        let usage = KeyUsage::new().critical().key_cert_sign().crl_sign().build().unwrap();
        builder.append_extension(usage).unwrap();
        let id = SubjectKeyIdentifier::new().build(&builder.x509v3_context(None, None)).unwrap();
        builder.append_extension(id).unwrap();
        builder.sign(&key, MessageDigest::sha256()).unwrap();
        Self { certificate: builder.build(), key }
    }

    pub fn pem(&self) -> Vec<u8> {
        self.certificate.to_pem().unwrap()
    }

    pub fn issue(&self, wanted: &Wanted<'_>) -> Issued {
        let key = new_key();
        let mut builder = begin(wanted.subject, wanted.days, &key);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.append_extension(BasicConstraints::new().build().unwrap()).unwrap();
        let mut usage = ExtendedKeyUsage::new();
        if wanted.is_server {
            usage.server_auth()
        } else {
            usage.client_auth()
        };
        builder.append_extension(usage.build().unwrap()).unwrap();
        if wanted.is_server {
            let mut names = SubjectAlternativeName::new();
            let names = names.dns("localhost").ip("127.0.0.1");
            let names = names.build(&builder.x509v3_context(Some(&self.certificate), None));
            builder.append_extension(names.unwrap()).unwrap();
        }
        let context = builder.x509v3_context(Some(&self.certificate), None);
        let id = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        builder.append_extension(id).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build();
        Issued {
            certificate_pem: certificate.to_pem().unwrap(),
            key_pem: key.private_key_to_pem_pkcs8().unwrap(),
            der: certificate.to_der().unwrap(),
        }
    }

    /// A client certificate that is valid today.
    pub fn client(&self, name: &str) -> Issued {
        self.issue(&Wanted { subject: &[("CN", name)], is_server: false, days: (-1, 10) })
    }

    /// A server certificate for this machine.
    pub fn server(&self) -> Issued {
        self.issue(&Wanted { subject: &[("CN", "localhost")], is_server: true, days: (-1, 10) })
    }

    /// An RSA key and its certificate, both in PEM form.
    pub fn rsa_pair(&self) -> (Vec<u8>, Vec<u8>) {
        let key = PKey::from_rsa(Rsa::generate(2_048).unwrap()).unwrap();
        let mut builder = begin(&[("CN", "rsa")], (-1, 10), &key);
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        (key.private_key_to_pem_pkcs8().unwrap(), builder.build().to_pem().unwrap())
    }

    /// A revocation list in PEM form that names these certificates.
    pub fn revocation_list(&self, revoked: &[&Issued], days: (i64, i64)) -> Vec<u8> {
        let mut builder = X509CrlBuilder::new().unwrap();
        builder.set_issuer_name(self.certificate.subject_name()).unwrap();
        builder.set_last_update(&in_days(days.0)).unwrap();
        builder.set_next_update(&in_days(days.1)).unwrap();
        for each in revoked {
            let certificate = X509::from_der(&each.der).unwrap();
            let mut entry = X509RevokedBuilder::new().unwrap();
            entry.set_serial_number(certificate.serial_number()).unwrap();
            entry.set_revocation_date(&in_days(-1)).unwrap();
            builder.add_revoked(entry.build()).unwrap();
        }
        let carrier = X509::builder().unwrap();
        let context = carrier.x509v3_context(Some(&self.certificate), None);
        let id = AuthorityKeyIdentifier::new().keyid(true).build(&context).unwrap();
        builder.append_extension(id).unwrap();
        let number = CrlNumber::new(BigNum::from_u32(1).unwrap());
        builder.append_extension(number.unwrap().build().unwrap()).unwrap();
        builder.sort().unwrap();
        builder.sign(&self.key, MessageDigest::sha256()).unwrap();
        builder.build().unwrap().to_pem().unwrap()
    }
}
