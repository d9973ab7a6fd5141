/*
 * random.h: nodehost.random/1, random numbers that a simulation can repeat.
 *
 * Seeded from the system on a real node and from the run's seed in a simulation. Good for jitter,
 * sampling and ids; for keys use fill, which on a real node asks the system each time.
 */
#ifndef NODEHOST_RANDOM_H
#define NODEHOST_RANDOM_H

#include "base.h"

NH_EXTERN_C_BEGIN
NH_HEADER_BEGIN

#define NH_RANDOM_ID "nodehost.random/1"

typedef struct nh_random_service {
  uint32_t struct_size;
  uint32_t revision;
  void *NH_NULLABLE ctx;
  /** 64 random bits. [loop & (starting | running)] */
  uint64_t (*next)(void *NH_NULLABLE ctx);
  /** A number from 0 to `bound` - 1, each as likely; 0 if `bound` is 0. [loop & (starting | running)] */
  uint64_t (*below)(void *NH_NULLABLE ctx, uint64_t bound);
  /** Fills `room` with bytes fit for keys. [loop & (starting | running)] */
  nh_status (*fill)(void *NH_NULLABLE ctx, nh_buffer room);
} nh_random_service;

NH_HEADER_END
NH_EXTERN_C_END

#endif
