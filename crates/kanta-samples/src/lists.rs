//! What samples are drawn from: common names, places, codes and phrases.

pub(crate) const WOMEN: &[&str] = &[
    "Maria",
    "Helena",
    "Johanna",
    "Anneli",
    "Kaarina",
    "Marjatta",
    "Kristiina",
    "Liisa",
    "Sofia",
    "Hannele",
    "Aino",
    "Emilia",
    "Olivia",
    "Annikki",
    "Tuulikki",
    "Inkeri",
    "Aava",
    "Eeva",
    "Venla",
    "Ella",
    "Lilja",
    "Helmi",
    "Pihla",
    "Oona",
    "Siiri",
    "Elina",
    "Katariina",
    "Päivi",
    "Tiina",
    "Mirja",
    "Ebba",
    "Linnéa",
    "Astrid",
    "Ingrid",
    "Märta",
    "Saga",
    "Signe",
    "Ylva",
    "Åsa",
    "Unelma",
];
pub(crate) const MEN: &[&str] = &[
    "Juhani", "Johannes", "Mikael", "Antero", "Tapani", "Olavi", "Kalevi", "Matti", "Pekka",
    "Ilmari", "Eino", "Väinö", "Onni", "Leo", "Elias", "Oliver", "Eetu", "Toivo", "Oskari",
    "Jukka", "Heikki", "Timo", "Kari", "Antti", "Sakari", "Valtteri", "Aleksi", "Niilo", "Pentti",
    "Seppo", "Karl", "Gustav", "Lars", "Nils", "Björn", "Göran", "Håkan", "Sven", "Åke", "Örjan",
];
pub(crate) const FAMILIES: &[&str] = &[
    "Korhonen",
    "Virtanen",
    "Mäkinen",
    "Nieminen",
    "Mäkelä",
    "Hämäläinen",
    "Laine",
    "Heikkinen",
    "Koskinen",
    "Järvinen",
    "Lehtonen",
    "Lehtinen",
    "Saarinen",
    "Salminen",
    "Heinonen",
    "Niemi",
    "Heikkilä",
    "Salonen",
    "Kinnunen",
    "Turunen",
    "Salo",
    "Laitinen",
    "Tuominen",
    "Rantanen",
    "Karjalainen",
    "Jokinen",
    "Mattila",
    "Savolainen",
    "Lahtinen",
    "Ahonen",
    "Ojala",
    "Leppänen",
    "Väisänen",
    "Hiltunen",
    "Kallio",
    "Miettinen",
    "Leinonen",
    "Pitkänen",
    "Aaltonen",
    "Manninen",
    "Hakala",
    "Koivisto",
    "Anttila",
    "Laaksonen",
    "Hirvonen",
    "Räsänen",
    "Lehto",
    "Laakso",
    "Toivonen",
    "Rantala",
    "Johansson",
    "Nyman",
    "Lindholm",
    "Karlsson",
    "Andersson",
    "Lindström",
    "Eriksson",
    "Lindqvist",
    "Gustafsson",
    "Holmström",
    "Sjöberg",
    "Bäckström",
    "Öhman",
    "Åkerman",
];
/// Beginnings and endings of the rarer family names, put together freely.
pub(crate) const FAMILY_BEGINNINGS: &[&str] = &[
    "Kivi", "Koivu", "Harju", "Suo", "Lampi", "Pelto", "Honka", "Vuori", "Kangas", "Metsä",
    "Kallio", "Ranta", "Salmi", "Niemi", "Tammi", "Lehti", "Mylly", "Hieta", "Kataja", "Kuusi",
    "Järvi", "Haapa", "Orava", "Karhu", "Kurki", "Haukka", "Piha", "Louhi", "Sara", "Ala", "Ylä",
    "Uusi",
];
pub(crate) const FAMILY_ENDINGS: &[&str] = &[
    "la", "nen", "niemi", "mäki", "koski", "vaara", "saari", "lahti", "joki", "oja", "aho",
    "korpi", "salo", "maa", "talo", "korva", "luoma", "pää", "suvanto", "harju", "virta", "puro",
    "kunnas", "ranta",
];
pub(crate) const STREETS: &[&str] = &[
    "Mannerheimintie",
    "Koulukatu",
    "Rantatie",
    "Kirkkokatu",
    "Asemakatu",
    "Koivukuja",
    "Mäntytie",
    "Puistokatu",
    "Hämeentie",
    "Satamakatu",
    "Kauppakatu",
    "Tehtaankatu",
    "Myllytie",
    "Harjukatu",
    "Niittykuja",
    "Pihlajatie",
    "Strandvägen",
    "Kyrkogatan",
    "Skolgatan",
    "Storgatan",
    "Björkvägen",
    "Järvitie",
    "Metsäpolku",
    "Peltotie",
    "Vuorikatu",
    "Kalevankatu",
    "Linnankatu",
    "Itäinen Pitkäkatu",
];
/// Post code, town, code of the municipality.
pub(crate) const TOWNS: &[(&str, &str, &str)] = &[
    ("00100", "Helsinki", "091"),
    ("00530", "Helsinki", "091"),
    ("00950", "Helsinki", "091"),
    ("02100", "Espoo", "049"),
    ("01300", "Vantaa", "092"),
    ("33100", "Tampere", "837"),
    ("33720", "Tampere", "837"),
    ("20100", "Turku", "853"),
    ("90100", "Oulu", "564"),
    ("90570", "Oulu", "564"),
    ("40100", "Jyväskylä", "179"),
    ("70100", "Kuopio", "297"),
    ("15110", "Lahti", "398"),
    ("28100", "Pori", "609"),
    ("53100", "Lappeenranta", "405"),
    ("65100", "Vaasa", "905"),
    ("48100", "Kotka", "285"),
    ("80100", "Joensuu", "167"),
    ("13100", "Hämeenlinna", "109"),
    ("06100", "Porvoo", "638"),
    ("50100", "Mikkeli", "491"),
    ("45100", "Kouvola", "286"),
    ("96200", "Rovaniemi", "698"),
    ("67100", "Kokkola", "272"),
    ("10600", "Raasepori", "710"),
    ("21600", "Parainen", "445"),
    ("68600", "Pietarsaari", "598"),
    ("99800", "Inari", "148"),
    ("57100", "Savonlinna", "740"),
    ("87100", "Kajaani", "205"),
];
/// Towns with latitude and longitude in units of 0.0001 degrees.
pub(crate) const PLACES: &[(&str, u64, u64)] = &[
    ("Helsinki", 601_699, 249_384),
    ("Espoo", 602_055, 246_559),
    ("Tampere", 614_978, 237_610),
    ("Turku", 604_518, 222_666),
    ("Oulu", 650_121, 254_651),
    ("Jyväskylä", 622_426, 257_473),
    ("Kuopio", 628_924, 276_770),
    ("Lahti", 609_827, 256_612),
    ("Vaasa", 630_951, 216_165),
    ("Joensuu", 626_010, 297_636),
    ("Rovaniemi", 665_039, 257_294),
    ("Inari", 689_060, 270_288),
];
pub(crate) const UNITS_OF_CARE: &[&str] = &[
    "Keskusta terveysasema",
    "Itäinen terveysasema",
    "Läntinen terveyskeskus",
    "Sydänasema",
    "Sisätautien poliklinikka",
    "Lastentautien poliklinikka",
    "Neurologian poliklinikka",
    "Päivystys ja ensiapu",
    "Hammashoitola",
    "Mielenterveyspalvelut",
    "Äitiys- ja lastenneuvola",
    "Kotihoidon yksikkö",
    "Kuntoutusosasto",
    "Laboratorio",
    "Silmäklinikka",
    "Norra hälsostationen",
    "Keuhkosairauksien poliklinikka",
    "Työterveys",
    "Kirurgian osasto 4",
    "Endokrinologian poliklinikka",
];

/// A measurement: LOINC code and name, Finnish name, UCUM unit, usual range and what is measured
/// at its ends, all in units of the last decimal.
#[derive(Clone, Copy, Default)]
pub(crate) struct Measure {
    pub(crate) code: &'static str,
    pub(crate) display: &'static str,
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) decimals: usize,
    pub(crate) usual: (u64, u64),
    pub(crate) found: (u64, u64),
    pub(crate) is_laboratory: bool,
}

macro_rules! measures {
    ($($code:literal $display:literal $name:literal $unit:literal $decimals:literal
       $low:literal-$high:literal $from:literal-$to:literal $lab:literal;)*) => {
        &[$(Measure {
            code: $code, display: $display, name: $name, unit: $unit, decimals: $decimals,
            usual: ($low, $high), found: ($from, $to), is_laboratory: $lab,
        }),*]
    };
}

pub(crate) const MEASURES: &[Measure] = measures! {
    "8867-4" "Heart rate" "Syke" "/min" 0 50-100 42-140 false;
    "8310-5" "Body temperature" "Kehon lämpötila" "Cel" 1 360-375 352-399 false;
    "29463-7" "Body weight" "Paino" "kg" 1 500-1000 180-1450 false;
    "8302-2" "Body height" "Pituus" "cm" 0 150-190 95-206 false;
    "39156-5" "Body mass index (BMI) [Ratio]" "Painoindeksi" "kg/m2" 1 185-250 152-418 false;
    "59408-5" "Oxygen saturation in Arterial blood by Pulse oximetry" "Happisaturaatio" "%" 0 94-100 84-100 false;
    "9279-1" "Respiratory rate" "Hengitystaajuus" "/min" 0 12-20 9-34 false;
    "718-7" "Hemoglobin [Mass/volume] in Blood" "B-Hb" "g/L" 0 117-155 78-178 true;
    "14682-9" "Creatinine [Moles/volume] in Serum or Plasma" "P-Krea" "umol/L" 0 50-90 38-240 true;
    "2951-2" "Sodium [Moles/volume] in Serum or Plasma" "P-Na" "mmol/L" 0 137-145 124-151 true;
    "2823-3" "Potassium [Moles/volume] in Serum or Plasma" "P-K" "mmol/L" 1 33-49 27-61 true;
    "59261-8" "Hemoglobin A1c/Hemoglobin.total in Blood by IFCC protocol" "B-HbA1c" "mmol/mol" 0 20-42 26-104 true;
    "14647-2" "Cholesterol [Moles/volume] in Serum or Plasma" "fP-Kol" "mmol/L" 1 30-50 24-89 true;
    "22748-8" "Cholesterol in LDL [Moles/volume] in Serum or Plasma" "fP-Kol-LDL" "mmol/L" 2 150-300 70-612 true;
    "14646-4" "Cholesterol in HDL [Moles/volume] in Serum or Plasma" "fP-Kol-HDL" "mmol/L" 2 110-220 62-274 true;
    "1988-5" "C reactive protein [Mass/volume] in Serum or Plasma" "P-CRP" "mg/L" 0 0-10 1-187 true;
    "3016-3" "Thyrotropin [Units/volume] in Serum or Plasma" "P-TSH" "m[IU]/L" 2 40-400 11-1240 true;
    "14749-6" "Glucose [Moles/volume] in Serum or Plasma" "fP-Gluk" "mmol/L" 1 42-60 35-148 true;
    "6690-2" "Leukocytes [#/volume] in Blood by Automated count" "B-Leuk" "10*9/L" 1 34-82 18-194 true;
    "777-3" "Platelets [#/volume] in Blood by Automated count" "B-Trom" "10*9/L" 0 150-360 74-512 true;
    "2276-4" "Ferritin [Mass/volume] in Serum or Plasma" "P-Ferrit" "ug/L" 1 150-1250 34-4120 true;
    "6301-6" "INR in Platelet poor plasma by Coagulation assay" "P-INR" "{INR}" 2 90-120 88-412 true;
    "1920-8" "Aspartate aminotransferase [Enzymatic activity/volume]" "P-ASAT" "U/L" 0 15-35 11-143 true;
    "2132-9" "Cobalamin (Vitamin B12) [Mass/volume] in Serum or Plasma" "S-B12-TC2" "pmol/L" 0 35-160 17-231 true;
};

/// Measurements that are seldom made, for codes that select narrowly.
pub(crate) const RARE_MEASURES: &[Measure] = measures! {
    "1751-7" "Albumin [Mass/volume] in Serum or Plasma" "P-Alb" "g/L" 0 36-48 22-52 true;
    "2885-2" "Protein [Mass/volume] in Serum or Plasma" "P-Prot" "g/L" 0 62-78 50-92 true;
    "2157-6" "Creatine kinase [Enzymatic activity/volume] in Serum or Plasma" "P-CK" "U/L" 0 40-280 22-2140 true;
    "33762-6" "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma" "P-proBNP" "ng/L" 0 10-125 5-8400 true;
    "6598-7" "Troponin T.cardiac [Mass/volume] in Serum or Plasma" "P-TnT" "ug/L" 3 0-14 3-420 true;
    "2857-1" "Prostate specific Ag [Mass/volume] in Serum or Plasma" "P-PSA" "ug/L" 1 0-35 1-184 true;
    "2498-4" "Iron [Mass/volume] in Serum or Plasma" "P-Fe" "ug/dL" 0 50-170 12-260 true;
    "6768-6" "Alkaline phosphatase [Enzymatic activity/volume] in Serum or Plasma" "P-AFOS" "U/L" 0 35-105 18-412 true;
};
/// Other units that a value of a unit is told in now and then, and the power of ten by which the
/// number shrinks, or grows where it is negative.
pub(crate) const OTHER_UNITS: &[(&str, &str, i8)] = &[
    ("kg", "g", -3),
    ("cm", "m", 2),
    ("g/L", "g/dL", 1),
    ("mmol/L", "umol/L", -3),
    ("umol/L", "mmol/L", 3),
    ("mg/L", "ug/mL", 0),
];
/// Profiles, security labels and tags of `meta`. What is no vital sign does not declare that it is.
pub(crate) const VITAL_PROFILES: &[&str] = &[
    "http://hl7.org/fhir/StructureDefinition/vitalsigns",
    "https://example.org/fhir/StructureDefinition/home-measurement",
];
pub(crate) const PROFILES: &[&str] = &[
    "https://example.org/fhir/StructureDefinition/laboratory-result",
    "https://example.org/fhir/StructureDefinition/home-measurement",
];
pub(crate) const CONFIDENTIALITY: &[(&str, &str)] =
    &[("N", "normal"), ("N", "normal"), ("R", "restricted"), ("V", "very restricted")];
pub(crate) const TAGS: &[(&str, &str)] =
    &[("migrated", "Migrated"), ("migrated", "Migrated"), ("to-review", "To be reviewed")];

/// ICD-10 code, Finnish and Swedish name.
pub(crate) const DIAGNOSES: &[(&str, &str, &str)] = &[
    ("I10", "Essentiaalinen (primaarinen) verenpainetauti", "Essentiell hypertoni"),
    (
        "E11.9",
        "Aikuistyypin diabetes, ei komplikaatioita",
        "Diabetes mellitus typ 2 utan komplikationer",
    ),
    ("J06.9", "Määrittämätön akuutti ylähengitystieinfektio", "Akut övre luftvägsinfektion"),
    ("J45.0", "Pääasiallisesti allerginen astma", "Huvudsakligen allergisk astma"),
    ("M54.5", "Lannerangan kipu", "Lumbago"),
    ("F32.1", "Keskivaikea masennustila", "Medelsvår depressiv episod"),
    ("N30.0", "Akuutti virtsarakkotulehdus", "Akut cystit"),
    ("K21.9", "Refluksitauti ilman ruokatorvitulehdusta", "Gastroesofageal reflux"),
    ("E78.0", "Puhdas hyperkolesterolemia", "Ren hyperkolesterolemi"),
    ("I48.9", "Määrittämätön eteisvärinä", "Ospecificerat förmaksflimmer"),
    ("H66.0", "Akuutti märkivä välikorvatulehdus", "Akut varig mellanöreinflammation"),
    ("G43.0", "Auraton migreeni", "Migrän utan aura"),
    ("E03.9", "Määrittämätön hypotyreoosi", "Ospecificerad hypotyreos"),
    ("L20.9", "Määrittämätön atooppinen ekseema", "Atopiskt eksem"),
    ("M17.1", "Muu primaarinen polvinivelrikko", "Annan primär gonartros"),
    ("S93.4", "Nilkan nivelsiteen nyrjähdys", "Distorsion i fotled"),
    ("R51", "Päänsärky", "Huvudvärk"),
    ("J18.9", "Määrittämätön keuhkokuume", "Ospecificerad pneumoni"),
    ("B34.9", "Määrittämätön virustauti", "Ospecificerad virusinfektion"),
    ("D50.9", "Määrittämätön raudanpuuteanemia", "Ospecificerad järnbristanemi"),
    ("F41.1", "Yleistynyt ahdistuneisuushäiriö", "Generaliserat ångestsyndrom"),
    ("K02.1", "Dentiinin karies", "Karies i dentinet"),
];
/// ATC code, substance, strength.
pub(crate) const MEDICINES: &[(&str, &str, &str)] = &[
    ("C07AB07", "bisoprololi", "5 mg"),
    ("C09AA05", "ramipriili", "2,5 mg"),
    ("A10BA02", "metformiini", "500 mg"),
    ("C10AA05", "atorvastatiini", "20 mg"),
    ("N02BE01", "parasetamoli", "1 g"),
    ("M01AE01", "ibuprofeeni", "600 mg"),
    ("H03AA01", "levotyroksiini", "50 mikrog"),
    ("A02BC02", "pantopratsoli", "40 mg"),
    ("J01CA08", "pivmesillinaami", "200 mg"),
    ("R03AC02", "salbutamoli", "0,2 mg/annos"),
    ("B01AF02", "apiksabaani", "5 mg"),
    ("N06AB10", "essitalopraami", "10 mg"),
    ("C08CA01", "amlodipiini", "5 mg"),
    ("C03CA01", "furosemidi", "40 mg"),
    ("J01CE02", "fenoksimetyylipenisilliini", "1 milj. KY"),
    ("A11CC05", "kolekalsiferoli", "20 mikrog"),
    ("N05CH01", "melatoniini", "2 mg"),
    ("B03AA07", "ferrosulfaatti", "100 mg"),
];
/// Beginning, middle and end of sentences in notes.
pub(crate) const OPENINGS: &[&str] = &[
    "Potilas kertoo",
    "Vastaanotolla todetaan",
    "Puhelinkontaktissa käy ilmi",
    "Omainen mainitsee",
    "Seurannassa havaitaan",
    "Anamneesissa tulee esiin",
    "Patienten berättar om",
    "Vid kontrollen noteras",
    "Aiemmista tiedoista ilmenee",
    "Hoitaja kirjaa",
    "Kotimittauksissa näkyy",
    "Statuksessa on",
];
pub(crate) const FINDINGS: &[&str] = &[
    "lievää väsymystä",
    "hyvin pysynyt hoitotasapaino",
    "ajoittaista huimausta",
    "selvä toipuminen",
    "yskää iltaisin",
    "rasituksessa ilmaantuva hengenahdistus",
    "unettomuutta",
    "vähäinen turvotus",
    "god aptit och sömn",
    "lindrig smärta",
    "kivuton liikkuvuus",
    "normaali hengitysääni",
    "kuumeilua",
    "vakaa paino",
    "säännöllinen syke",
    "hyvä vointi",
    "ihottumaa käsivarsissa",
    "niska- ja hartiakipua",
];
pub(crate) const TIMES: &[&str] = &[
    "kahden viikon ajan",
    "edellisestä käynnistä lähtien",
    "etenkin aamuisin",
    "ilman selvää syytä",
    "lääkkeen aloituksen jälkeen",
    "sedan förra veckan",
    "rasituksen yhteydessä",
    "lähes päivittäin",
    "satunnaisesti",
    "infektion jälkeen",
    "levossakin",
    "yöaikaan",
    "työvuoron lopulla",
];
pub(crate) const PLANS: &[&str] = &[
    "Jatketaan nykyistä hoitoa",
    "Kontrolli sovitaan erikseen",
    "Pyydetään verikokeet",
    "Annos tarkistetaan",
    "Ohjataan fysioterapiaan",
    "Ny tid bokas vid behov",
    "Seuranta kotona",
    "Lähete erikoissairaanhoitoon",
    "Soittoaika kahden viikon kuluttua",
    "Ei jatkotoimia",
];
