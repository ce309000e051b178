//! What the simulated business sells, where and to whom, and how it gets there.

pub(crate) const CUSTOMERS: u64 = 20_000;
pub(crate) const PRODUCTS: u64 = 400;

/// Region, its share of the sales, and the currency it mostly pays in.
pub(crate) const REGIONS: [(&str, u32, &str); 8] = [
    ("Norte", 24, "MXN"),
    ("Sur", 14, "CLP"),
    ("Este", 10, "BRL"),
    ("Oeste", 12, "PEN"),
    ("Centro", 16, "COP"),
    ("América Latina", 12, "USD"),
    ("España y Portugal", 8, "EUR"),
    ("Río de la Plata", 4, "ARS"),
];

/// Channel and its share in percent.
pub(crate) const CHANNELS: [(&str, u32); 3] = [("web", 52), ("app", 36), ("tienda", 12)];

/// Units of a currency for one US dollar, roughly: prices should look right, not be right.
pub(crate) fn per_dollar(currency: &str) -> f64 {
    match currency {
        "EUR" => 0.92,
        "MXN" => 17.2,
        "COP" => 4000.0,
        "BRL" => 5.2,
        "CLP" => 950.0,
        "ARS" => 900.0,
        "PEN" => 3.7,
        _ => 1.0,
    }
}

pub(crate) const FIRST_NAMES: [&str; 16] = [
    "ana", "luis", "maria", "jose", "lucia", "carlos", "sofia", "diego", "elena", "pablo", "marta", "jorge",
    "paula", "andres", "carmen", "raul",
];
pub(crate) const LAST_NAMES: [&str; 16] = [
    "garcia",
    "lopez",
    "perez",
    "gonzalez",
    "rodriguez",
    "fernandez",
    "torres",
    "ramirez",
    "flores",
    "diaz",
    "morales",
    "ortiz",
    "silva",
    "rojas",
    "castro",
    "vargas",
];
/// Reserved for examples by RFC 2606: no simulated address can reach anybody.
pub(crate) const MAIL_HOSTS: [&str; 3] = ["example.com", "example.org", "correo.example"];

/// Prefixes of card networks whose test numbers start like this.
pub(crate) const CARD_PREFIXES: [&str; 4] = ["411111", "555555", "401288", "510510"];

/// Sales per hour of the day (UTC), by weight: quiet nights, a lunch peak, an evening peak.
pub(crate) const HOURS: [u32; 24] = [
    5, 3, 2, 2, 2, 3, 5, 8, 12, 16, 20, 24, 30, 32, 26, 22, 22, 26, 32, 40, 44, 38, 24, 12,
];

pub(crate) const AMOUNT_WORDS: [&str; 4] = ["doce con cincuenta", "mil doscientos", "gratis", "N/A"];
pub(crate) const ODD_CURRENCIES: [&str; 4] = ["XXX", "BTC", "usd", "PESOS"];
pub(crate) const NOT_JSON: [&str; 4] = [
    "ERROR 2026-11-21 checkout: connection reset by peer",
    "<evento><monto>12</monto></evento>",
    "transaccion_id,cliente_id,monto",
    "undefined",
];

/// Carrier, its share of the shipments in percent, and the hours that it promises, as the contract of logistica has them.
pub(crate) const CARRIERS: [(&str, u32, u32); 4] = [
    ("flecha", 22, 24),
    ("andes-express", 34, 48),
    ("ruta-sur", 18, 60),
    ("correo-nacional", 26, 96),
];

/// The code of a region's warehouses.
pub(crate) fn warehouse(region: &str) -> &'static str {
    match region {
        "Norte" => "NOR",
        "Sur" => "SUR",
        "Este" => "EST",
        "Oeste" => "OES",
        "Centro" => "CEN",
        "España y Portugal" => "EYP",
        "Río de la Plata" => "RDP",
        _ => "ALA",
    }
}

pub(crate) const STREETS: [&str; 12] = [
    "Calle Mayor",
    "Avenida Libertad",
    "Calle del Sol",
    "Paseo de la Reforma",
    "Camino Real",
    "Avenida Independencia",
    "Calle de los Olivos",
    "Plaza de Armas",
    "Calle San Martín",
    "Avenida del Mar",
    "Calle Ñandú",
    "Pasaje Los Álamos",
];

/// Why something comes back, as the contract of ventas has it, its share in percent, and what customers write then.
pub(crate) const REASONS: [(&str, u32, [&str; 3]); 6] = [
    (
        "talla",
        30,
        [
            "Me queda grande",
            "Pedí la M, llegó la S",
            "La talla no es la de la tabla, ni de lejos",
        ],
    ),
    (
        "defectuoso",
        22,
        [
            "No enciende",
            "Se apaga solo, a los cinco minutos",
            "Pone \"error 7\" y nada más",
        ],
    ),
    (
        "danado",
        14,
        [
            "Llegó roto",
            "La caja venía abierta, y mojada",
            "Golpeado.\nEl \"frágil\" no lo leyó nadie.",
        ],
    ),
    (
        "equivocado",
        10,
        [
            "No es lo que pedí",
            "Pedí azul, llegó rojo",
            "Dice \"Manta\", y es un espejo",
        ],
    ),
    (
        "no_llego",
        8,
        [
            "No llegó",
            "Entregado, según ustedes; aquí no",
            "Nadie llamó.\nMi número: +52 55 1234 5678",
        ],
    ),
    (
        "arrepentimiento",
        16,
        [
            "Ya no lo quiero",
            "Lo encontré más barato, perdón",
            "Era un regalo, y ya lo tenía",
        ],
    ),
];
pub(crate) const ODD_REASONS: [&str; 4] = ["TALLA", "no le gustó a mi hermana", "7", ""];

/// Category, and what is in it. The contract of producto has the categories, each with a highest price above all of these.
pub(crate) const CATEGORIES: [(&str, [&str; 4]); 8] = [
    ("electronica", ["Auriculares", "Altavoz", "Cargador", "Teclado"]),
    ("hogar", ["Lámpara", "Manta", "Sartén", "Espejo"]),
    ("moda", ["Camisa", "Chaqueta", "Bufanda", "Cinturón"]),
    ("deportes", ["Balón", "Raqueta", "Mochila", "Esterilla"]),
    ("juguetes", ["Rompecabezas", "Muñeca", "Cometa", "Tren de madera"]),
    ("belleza", ["Crema", "Jabón", "Perfume", "Champú"]),
    ("libros", ["Novela", "Atlas", "Cien recetas", "Diccionario"]),
    ("alimentos", ["Café", "Té verde", "Aceite de oliva", "Chocolate"]),
];
pub(crate) const BRANDS: [&str; 16] = [
    "Aurora",
    "Brío",
    "Cóndor",
    "Duna",
    "Estela",
    "Faro",
    "Girasol",
    "Horizonte",
    "Iris",
    "Jacaranda",
    "Kuntur",
    "Lucero",
    "Marea",
    "Nogal",
    "Ocaso",
    "Peña",
];

pub(crate) const ODD_CARRIERS: [&str; 4] = ["burro", "FLECHA", "correo nacional", ""];
pub(crate) const ODD_STATES: [&str; 4] = ["Entregado", "perdido", "42", ""];
pub(crate) const ODD_CATEGORIES: [&str; 4] = ["bebidas", "LIBROS", "hogar y cocina", ""];
pub(crate) const NOT_DATES: [&str; 4] = ["21/11/2026", "2026-02-30", "20261121", "noviembre"];
