/*
 * timer.h: nodehost.timer/1, one-shot and periodic timers.
 *
 * A timer ends in on_timer on the role's loop. All timers of a role end when the role does. At most
 * 1,024 a role.
 *
 * Across a swap: a timer that the new build's start sets with the same function, token and times as
 * one of the old build's is that timer, with its handle and its remaining time. The old build's
 * other timers end with it.
 */
#ifndef NODEHOST_TIMER_H
#define NODEHOST_TIMER_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_TIMER_ID "nodehost.timer/1"

typedef struct nh_timer_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Calls on_timer once, `delay_ns` from now. 0 if the limit is reached. [loop & (starting | running)] */
  nh_handle (*once)(void *NH_NULLABLE ctx, int64_t delay_ns, uint64_t token);
  /**
   * Calls on_timer every `period_ns` (at least 1 ms), first after `delay_ns`. Beats that a busy loop
   * missed are skipped, not made up for. 0 if the limit is reached. [loop & (starting | running)]
   */
  nh_handle (*every)(void *NH_NULLABLE ctx, int64_t delay_ns, int64_t period_ns, uint64_t token);
  /** Ends a timer; on_timer does not come any more. NH_NOT_FOUND: it has ended already.
   * [loop & (starting | running)] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle timer);
  /** Nanoseconds until the timer runs out, or -1 if there is no such timer. [loop & running] */
  int64_t (*remaining)(void *NH_NULLABLE ctx, nh_handle timer);
} nh_timer_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif
