//! Guides: your app's framework, moving from what you have, running it, and what each refusal means.
//!
//! Nothing but text. A test runs `check` on every configuration in it, and compares its tables with the program.

#[doc = include_str!("guide/django.md")]
pub mod django {}

#[doc = include_str!("guide/express.md")]
pub mod express {}

#[doc = include_str!("guide/rails.md")]
pub mod rails {}

#[doc = include_str!("guide/laravel.md")]
pub mod laravel {}

#[doc = include_str!("guide/spring.md")]
pub mod spring {}

#[doc = include_str!("guide/moving.md")]
pub mod moving {}

#[doc = include_str!("guide/runbooks.md")]
pub mod runbooks {}

#[doc = include_str!("guide/refusals.md")]
pub mod refusals {}

#[doc = include_str!("guide/operating.md")]
pub mod operating {}

#[doc = include_str!("guide/deploying.md")]
pub mod deploying {}

#[doc = include_str!("guide/fleet.md")]
pub mod fleet {}

#[doc = include_str!("guide/choosing.md")]
pub mod choosing {}
