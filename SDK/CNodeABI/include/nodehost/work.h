/*
 * work.h: nodehost.work/1, functions on the CPU pool.
 *
 * For what takes longer than a callback should (a millisecond). The function runs on a pool thread
 * and touches nothing but its job; the outcome comes back to the role's loop. Roles share the pool
 * fairly.
 */
#ifndef NODEHOST_WORK_H
#define NODEHOST_WORK_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_WORK_ID "nodehost.work/1"

/** What a job's function may ask while it runs. Valid until the function returns. */
typedef struct nh_work_context {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** 1 once the job was cancelled: return soon. [pool] */
  uint32_t (*is_cancelled)(void *NH_NULLABLE ctx);
  /** How much is done, from 0 to 1, for whoever watches. [pool] */
  void (*progress)(void *NH_NULLABLE ctx, double done);
} nh_work_context;

/** Does a job. What it writes into `result` comes in on_reply as b. [pool] */
typedef nh_status (*nh_work_function)(const nh_work_context *context, void *NH_NULLABLE job,
                                      const nh_sink *result);

typedef struct nh_work_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** Runs `function`, an nh_work_function, with `job` on the pool; its status and result come in
   * on_reply. `job` must stay valid until then. At most 1,024 waiting jobs a role; 0 past that.
   * [loop & (starting | running)] */
  nh_handle (*submit)(void *NH_NULLABLE ctx, nh_function function, void *NH_NULLABLE job,
                      uint64_t token);
  /** Asks a job to end. If it has not begun it never will; on_reply comes in either case, with
   * NH_CANCELLED unless it had ended. [loop & running] */
  nh_status (*cancel)(void *NH_NULLABLE ctx, nh_handle job);
} nh_work_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif
