/*
 * metrics.h: nodehost.metrics/1, counters, gauges and histograms.
 *
 * Served in Prometheus' text form with the labels node and role added. Creating a metric twice with
 * the same name and labels gives the same handle, also after a swap, so that counts go on. A handle
 * costs a few nanoseconds to use; create it once. At most 1,024 series a role, and 64 labels a series.
 * Names that begin with nodehost_ are the host's own.
 */
#ifndef NODEHOST_METRICS_H
#define NODEHOST_METRICS_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_METRICS_ID "nodehost.metrics/1"

typedef struct nh_metrics_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** A number that only grows; name it ..._total. 0 if the name is no metric name, is taken by
   * another kind, or the limit is reached. [loop & (starting | running)] */
  nh_handle (*counter)(void *NH_NULLABLE ctx, nh_str name, nh_str help, nh_pair_list labels);
  /** A number that goes both ways. [loop & (starting | running)] */
  nh_handle (*gauge)(void *NH_NULLABLE ctx, nh_str name, nh_str help, nh_pair_list labels);
  /** Counts observations by size. `bounds` are the upper bounds, rising, as d values; empty takes
   * 16 from 0.0001 to 100, for seconds. At most 64. [loop & (starting | running)] */
  nh_handle (*histogram)(void *NH_NULLABLE ctx, nh_str name, nh_str help, nh_pair_list labels,
                         nh_value_list bounds);
  /** Adds to a counter (never a negative number) or a gauge. [loop & (starting | running)] */
  void (*add)(void *NH_NULLABLE ctx, nh_handle metric, double amount);
  /** Sets a gauge. [loop & (starting | running)] */
  void (*set)(void *NH_NULLABLE ctx, nh_handle metric, double value);
  /** Counts one observation in a histogram. [loop & (starting | running)] */
  void (*observe)(void *NH_NULLABLE ctx, nh_handle metric, double value);
} nh_metrics_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif
