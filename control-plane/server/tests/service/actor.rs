//! Who calls, as types.

use crate::world::World;

/// Somebody who calls, from the view of the organization that a [`World`] is about.
pub(crate) trait Actor {
    /// In messages of failing tests.
    fn name(&self) -> &'static str;
    /// What the actor calls with.
    fn token<'w>(&self, world: &'w World) -> Option<&'w str>;
}

macro_rules! actors {
    ($($(#[$doc:meta])* $actor:ident = $token:expr;)*) => {
        $(
            $(#[$doc])*
            pub(crate) struct $actor;

            impl Actor for $actor {
                fn name(&self) -> &'static str {
                    stringify!($actor)
                }

                fn token<'w>(&self, world: &'w World) -> Option<&'w str> {
                    let token: fn(&World) -> Option<&str> = $token;
                    token(world)
                }
            }
        )*

        /// All of them, in the order of the denial table's columns.
        pub(crate) const ACTORS: &[&dyn Actor] = &[$(&$actor,)*];
    };
}

actors! {
    /// Nobody who proved anything.
    Anonymous = |_| None;
    /// Has a token that looks right and is none.
    Forger = |_| Some("tlw_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    /// Runs the installation.
    PlatformAdmin = |world| Some(&world.admin);
    /// Owns the organization.
    Owner = |world| Some(&world.owner);
    /// Administers the organization.
    Admin = |world| Some(&world.organization_admin);
    /// Develops in the organization.
    Developer = |world| Some(&world.developer);
    /// Looks at the organization.
    Viewer = |world| Some(&world.viewer);
    /// Owns another organization.
    OtherTenant = |world| Some(&world.other_tenant);
}
