//! Plain structs of one row.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use crate::types::Field;

/// The struct, and its type with the lifetime `'a` where it borrows texts.
pub(crate) fn plain_row(name: &str, about: &str, fields: &[Field]) -> (TokenStream, TokenStream) {
    let name = format_ident!("{name}");
    let generics = if fields.iter().any(Field::is_text) {
        quote!(<'a>)
    } else {
        quote!()
    };
    let columns = fields.iter().map(|field| {
        let (ident, value, doc) = (&field.ident, field.value(), field.doc());
        quote!(#[doc = #doc] pub #ident: #value)
    });
    let row = quote! {
        #[doc = #about]
        #[derive(Debug, Clone, Copy, PartialEq, Default)]
        pub struct #name #generics {
            #(#columns,)*
        }
    };
    (row, quote!(#name #generics))
}
