//! The contract's constant tables as code.

use malla_contract::{Contract, Lookup};
use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::Ident;

use crate::types::{Unfit, identifier};

/// Up to here a key is found by comparing its bytes in place, above by binary search.
const SMALL: usize = 64;

pub(crate) fn module(contract: &Contract) -> Result<TokenStream, Unfit> {
    if contract.lookups.is_empty() {
        return Ok(TokenStream::new());
    }
    let tables = contract
        .lookups
        .iter()
        .map(table)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(quote! {
        /// The constant tables of the contract.
        #[allow(dead_code, reason = "a plugin need not use everything that its contract gives")]
        pub mod lookups {
            #(#tables)*
        }
    })
}

fn table(lookup: &Lookup) -> Result<TokenStream, Unfit> {
    let name: Ident = identifier(&lookup.name.to_uppercase())?;
    let scale = lookup.scale;
    let about = format!(" `{}`: {} entries.", lookup.name, lookup.entries.len());
    let keys = lookup.entries.iter().map(|entry| entry.key.as_str());
    let find = if lookup.entries.len() <= SMALL {
        in_place(lookup)
    } else {
        by_search(lookup)
    };
    Ok(quote! {
        #[doc = #about]
        pub const #name: ::malla_sdk::Lookup<#scale> = {
            #[inline]
            fn find(key: &[u8]) -> ::core::option::Option<i128> {
                #find
            }
            ::malla_sdk::Lookup::new(find, &[#(#keys),*])
        };
    })
}

fn in_place(lookup: &Lookup) -> TokenStream {
    let arms = lookup.entries.iter().map(|entry| {
        let bytes = entry.key.bytes().map(Literal::byte_character);
        let value = entry.unscaled;
        quote!([#(#bytes),*] => #value)
    });
    quote! {
        ::core::option::Option::Some(match key {
            #(#arms,)*
            _ => return ::core::option::Option::None,
        })
    }
}

fn by_search(lookup: &Lookup) -> TokenStream {
    let mut entries: Vec<_> = lookup.entries.iter().collect();
    entries.sort_unstable_by(|a, b| a.key.as_bytes().cmp(b.key.as_bytes()));
    let entries = entries.into_iter().map(|entry| {
        let (key, value) = (&entry.key, entry.unscaled);
        quote!((#key, #value))
    });
    quote! {
        static ENTRIES: &[(&str, i128)] = &[#(#entries),*];
        let place = ENTRIES.binary_search_by(|entry| entry.0.as_bytes().cmp(key)).ok()?;
        ENTRIES.get(place).map(|entry| entry.1)
    }
}
