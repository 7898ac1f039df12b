//! The label `site`, which all series of a site have.

use std::collections::HashMap;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};

/// Removes the series of a site, whatever their other labels are.
pub(super) fn remove_site<B: MetricVecBuilder>(series: &MetricVec<B>, site: &str) {
    let families = series.collect();
    for metric in families.iter().flat_map(|family| family.get_metric()) {
        let labels = metric.get_label().iter();
        let labels: HashMap<_, _> = labels.map(|label| (label.name(), label.value())).collect();
        if labels.get("site") == Some(&site) {
            // An error means that it is gone already.
            let _ = series.remove(&labels);
        }
    }
}
