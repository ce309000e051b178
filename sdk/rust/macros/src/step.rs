//! One step: its module, its method, its arm of the dispatch.

use malla_contract::{Contract, Step};
use proc_macro2::TokenStream;
use quote::quote;
use syn::Ident;

use crate::rows::plain_row;
use crate::types::{Field, Unfit, identifier, variant};

/// What a step's code is made of.
pub(crate) struct Parts<'a> {
    step: &'a Step,
    ident: Ident,
    /// All columns of the source.
    source: Vec<Field>,
    /// Places in `source` of the columns read, in the order of `reads`.
    reads: Vec<usize>,
    /// All columns of the product.
    product: Vec<Field>,
    rules: Vec<(Ident, &'a str)>,
}

impl<'a> Parts<'a> {
    pub(crate) fn of(contract: &'a Contract, step: &'a Step) -> Result<Self, Unfit> {
        let source = contract
            .source(&step.source)
            .ok_or(Unfit::new(&step.source, "is no source"))?;
        let product = contract
            .product(&step.product)
            .ok_or(Unfit::new(&step.product, "is no product"))?;
        let place = |name: &String| {
            source
                .table
                .index_of(name)
                .ok_or(Unfit::new(name, "is no column"))
        };
        let mut rules: Vec<(Ident, &str)> = Vec::new();
        for rule in &step.rules {
            let ident = variant(rule)?;
            if rules.iter().any(|(other, _)| *other == ident) {
                return Err(Unfit::new(rule, "is too like another rule"));
            }
            rules.push((ident, rule));
        }
        Ok(Self {
            ident: identifier(&step.name)?,
            step,
            source: source
                .table
                .columns
                .iter()
                .map(Field::of)
                .collect::<Result<_, _>>()?,
            reads: step.reads.iter().map(place).collect::<Result<_, _>>()?,
            product: product
                .table
                .columns
                .iter()
                .map(Field::of)
                .collect::<Result<_, _>>()?,
            rules,
        })
    }

    /// The step's method of the trait that the author implements.
    pub(crate) fn method(&self) -> TokenStream {
        let ident = &self.ident;
        let about = format!(
            " From a batch of source `{}` to rows of product `{}`. It must depend on nothing but the batch.",
            self.step.source, self.step.product
        );
        quote! {
            #[doc = #about]
            ///
            /// # Errors
            ///
            /// What makes the whole batch useless: it goes to quarantine.
            fn #ident(
                input: &#ident::Input<'_>,
                rows: &mut ::malla_sdk::Rows<#ident::Rule>,
            ) -> ::core::result::Result<#ident::Output, ::malla_sdk::Error>;
        }
    }

    /// The step's arm in the exported function.
    pub(crate) fn arm(&self) -> TokenStream {
        let (ident, name) = (&self.ident, &self.step.name);
        quote! {
            #name => ::malla_sdk::step::run::<#ident::Step>(&batch).map_err(::malla_sdk::Error::into_message),
        }
    }

    /// The step's types.
    pub(crate) fn module(&self, plugin: &Ident) -> TokenStream {
        let ident = &self.ident;
        let about = format!(
            " Step `{}`: source `{}` to product `{}`.",
            self.step.name, self.step.source, self.step.product
        );
        let (input, output, rule) = (self.input(), self.output(), self.rule());
        let (glue, testing) = (self.glue(plugin), self.testing());
        quote! {
            #[doc = #about]
            #[allow(dead_code, reason = "a plugin need not use everything that its contract gives")]
            pub mod #ident {
                #input
                #output
                #rule
                #glue
                #testing
            }
        }
    }

    fn read_fields(&self) -> Vec<Field> {
        self.reads
            .iter()
            .filter_map(|place| self.source.get(*place).cloned())
            .collect()
    }

    fn input(&self) -> TokenStream {
        let fields = self.source.iter().enumerate().map(|(place, field)| {
            let (ident, kind) = (&field.ident, field.kind());
            if self.reads.contains(&place) {
                let doc = field.doc();
                quote!(#[doc = #doc] pub #ident: ::malla_sdk::Column<'a, #kind>)
            } else {
                let doc = format!(
                    "{} Not among the step's `reads`: to be forwarded only.",
                    field.doc()
                );
                quote!(#[doc = #doc] pub #ident: ::malla_sdk::Forward<#kind>)
            }
        });
        let (row, row_type) = plain_row("Row", " What the step reads of one row.", &self.read_fields());
        let read: Vec<_> = self.read_fields().into_iter().map(|field| field.ident).collect();
        quote! {
            /// A batch of the source, column by column.
            #[derive(Debug, Clone, Copy)]
            pub struct Input<'a> {
                #(#fields,)*
                __rows: usize,
                __event_time: i64,
                __batch: ::core::marker::PhantomData<&'a ()>,
            }

            #row

            impl<'a> Input<'a> {
                /// How many rows the batch has.
                #[must_use]
                pub fn len(&self) -> usize {
                    self.__rows
                }

                /// Whether the batch has no rows.
                #[must_use]
                pub fn is_empty(&self) -> bool {
                    self.__rows == 0
                }

                /// The batch's time: the only clock there is.
                #[must_use]
                pub fn event_time(&self) -> ::malla_sdk::Timestamp {
                    ::malla_sdk::Timestamp::from_micros(self.__event_time)
                }

                /// The rows, with the columns that the step reads.
                #[inline]
                pub fn rows(&self) -> impl ::core::iter::ExactSizeIterator<Item = #row_type> + use<'a> {
                    let Input { #(#read,)* .. } = *self;
                    (0..self.__rows).map(move |__row| Row { #(#read: #read.at(__row),)* })
                }
            }
        }
    }

    fn output(&self) -> TokenStream {
        let fields = self.product.iter().map(|field| {
            let (ident, kind, doc) = (&field.ident, field.kind(), field.doc());
            quote!(#[doc = #doc] pub #ident: ::malla_sdk::OutputColumn<#kind>)
        });
        quote! {
            /// The columns of the product.
            #[derive(Debug)]
            pub struct Output {
                #(#fields,)*
            }
        }
    }

    fn rule(&self) -> TokenStream {
        let variants = self.rules.iter().map(|(ident, name)| {
            let doc = format!(" `{name}`");
            quote!(#[doc = #doc] #ident)
        });
        let all = self.rules.iter().map(|(ident, _)| ident);
        let names = self
            .rules
            .iter()
            .map(|(ident, name)| quote!(Self::#ident => #name));
        quote! {
            /// The rules by which the step may reject a row.
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub enum Rule {
                #(#variants,)*
            }

            impl ::malla_sdk::Rule for Rule {
                const ALL: &'static [Self] = &[#(Self::#all,)*];

                fn name(self) -> &'static str {
                    match self {
                        #(#names,)*
                    }
                }
            }
        }
    }

    fn glue(&self, plugin: &Ident) -> TokenStream {
        let (ident, name) = (&self.ident, &self.step.name);
        let borrowed = self.source.iter().enumerate().map(|(place, field)| {
            let (ident, column) = (&field.ident, &field.column.name);
            let index = u32::try_from(place).unwrap_or(u32::MAX);
            match self.reads.iter().position(|read| *read == place) {
                Some(read) => quote!(#ident: ::malla_sdk::read(batch, #read, #index, #column)?),
                None => quote!(#ident: ::malla_sdk::Forward::new(#index)),
            }
        });
        let columns = self.product.iter().map(|field| {
            let (ident, name) = (&field.ident, &field.column.name);
            quote!(columns.push(#name, output.#ident);)
        });
        quote! {
            /// The step itself, for the host and for tests.
            #[derive(Debug, Clone, Copy)]
            pub enum Step {}

            impl ::malla_sdk::step::Step for Step {
                type Input<'a> = Input<'a>;
                type Output = Output;
                type Rule = Rule;
                const NAME: &'static str = #name;

                fn input(
                    batch: &::malla_sdk::bindings::Batch,
                ) -> ::core::result::Result<Input<'_>, ::malla_sdk::Error> {
                    ::core::result::Result::Ok(Input {
                        #(#borrowed,)*
                        __rows: batch.rows as usize,
                        __event_time: batch.event_time,
                        __batch: ::core::marker::PhantomData,
                    })
                }

                fn call(
                    input: &Input<'_>,
                    rows: &mut ::malla_sdk::Rows<Rule>,
                ) -> ::core::result::Result<Output, ::malla_sdk::Error> {
                    <super::#plugin as super::Plugin>::#ident(input, rows)
                }

                fn columns(output: Output, columns: &mut ::malla_sdk::step::Columns) {
                    #(#columns)*
                }
            }
        }
    }

    fn testing(&self) -> TokenStream {
        let (source, source_type) =
            plain_row("SourceRow", " One event of the source, for tests.", &self.source);
        let (product, product_type) =
            plain_row("ProductRow", " One row of the product, for tests.", &self.product);
        let reads = &self.reads;
        let columns = self.source.iter().map(|field| {
            let (ident, kind) = (&field.ident, field.kind());
            quote!(::malla_sdk::testing::column::<#kind, _>(rows.iter().map(|row| row.#ident)))
        });
        let cells = self.product.iter().enumerate().map(|(place, field)| {
            let (ident, kind, name) = (&field.ident, field.kind(), &field.column.name);
            quote!(#ident: cells.value::<#kind>(#place, #name)?)
        });
        let source_elided = if self.source.iter().any(Field::is_text) {
            quote!(SourceRow<'_>)
        } else {
            quote!(SourceRow)
        };
        let quiet = quote!(#[cfg(not(target_arch = "wasm32"))]);
        quote! {
            #quiet
            #source
            #quiet
            #product

            #quiet
            impl ::malla_sdk::testing::Testable for Step {
                type SourceRow<'a> = #source_type;
                type ProductRow<'a> = #product_type;
                const READS: &'static [usize] = &[#(#reads),*];

                fn source(rows: &[#source_elided]) -> ::std::vec::Vec<::malla_sdk::testing::SourceColumn> {
                    ::std::vec![#(#columns),*]
                }

                fn product<'a>(
                    cells: &::malla_sdk::testing::Cells<'a>,
                ) -> ::core::result::Result<#product_type, ::malla_sdk::Error> {
                    ::core::result::Result::Ok(ProductRow { #(#cells,)* })
                }
            }

            /// Runs the step on these events, as a test does.
            ///
            /// # Errors
            ///
            /// What the step says, and what the host would say of an output that breaks the contract.
            #quiet
            pub fn run_on(
                rows: &[#source_elided],
            ) -> ::core::result::Result<::malla_sdk::testing::Run<Step>, ::malla_sdk::Error> {
                run_at(::malla_sdk::Timestamp::default(), rows)
            }

            /// As `run_on`, at a batch time.
            ///
            /// # Errors
            ///
            /// Those of `run_on`.
            #quiet
            pub fn run_at(
                event_time: ::malla_sdk::Timestamp,
                rows: &[#source_elided],
            ) -> ::core::result::Result<::malla_sdk::testing::Run<Step>, ::malla_sdk::Error> {
                ::malla_sdk::testing::Run::new(event_time.micros(), rows)
            }
        }
    }
}
