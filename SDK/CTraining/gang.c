/*
 * Each thread has a range of the tasks, takes a few of them at a time, and then helps the others. So a thread finds
 * what it used last in its own cache; and one that another program has pushed aside holds up nobody.
 */
#define _GNU_SOURCE
#include "gang.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The next round comes within microseconds while a network is trained, and a sleeping thread takes fifty to wake. But
 * another program may need the processor more than a thread that only waits. */
#define SPINS 1500
/* So many times a thread takes some of its own range. */
#define SHARES 4u

typedef struct member {
  /** The round, and the first task of its range that nobody has taken: one word, so that a thread that comes late to a
   * round can take nothing of the next. On a line of its own. */
  _Alignas(64) _Atomic uint64_t next;
  _Atomic uint32_t end;
  gang *gang;
  uint32_t number;
  pthread_t thread;
} member;

struct gang {
  uint32_t threads;
  /** Of this round; stays as it is until all its tasks are done. */
  _Atomic(gang_work) work;
  _Atomic(const void *) context;
  _Atomic uint32_t share;
  _Alignas(64) _Atomic uint32_t round;
  _Atomic uint32_t sleepers, over;
  _Alignas(64) _Atomic uint32_t undone;
  _Atomic uint32_t caller_sleeps;
  member members[];
};

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void wake(_Atomic uint32_t *word) { syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0); }

/* Does some tasks of a range. 0 if none of this round is left there. */
static uint32_t do_some(gang *g, member *range, uint32_t round, uint32_t worker) {
  gang_work work = atomic_load_explicit(&g->work, memory_order_relaxed);
  const void *context = atomic_load_explicit(&g->context, memory_order_relaxed);
  const uint32_t share = atomic_load_explicit(&g->share, memory_order_relaxed);
  uint64_t next = atomic_load_explicit(&range->next, memory_order_acquire);
  uint32_t begin, stop;
  do {
    const uint32_t end = atomic_load(&range->end);
    begin = (uint32_t)next;
    if (next >> 32 != round || begin >= end) return 0;
    stop = end - begin > share ? begin + share : end;
  } while (!atomic_compare_exchange_weak(&range->next, &next, (uint64_t)round << 32 | stop));
  work(context, begin, stop, worker);
  if (atomic_fetch_sub(&g->undone, stop - begin) == stop - begin && atomic_load(&g->caller_sleeps)) wake(&g->undone);
  return 1;
}

static void do_round(gang *g, uint32_t round, uint32_t worker) {
  for (uint32_t i = 0; i < g->threads; i++)
    while (do_some(g, &g->members[(worker + i) % g->threads], round, worker)) {}
}

/* Returns when the round is no longer `seen`. */
static uint32_t next_round(gang *g, uint32_t seen) {
  for (uint32_t spin = 0; spin < SPINS; spin++) {
    uint32_t round = atomic_load_explicit(&g->round, memory_order_acquire);
    if (round != seen) return round;
    pause_briefly();
  }
  atomic_fetch_add(&g->sleepers, 1);
  while (atomic_load(&g->round) == seen) sleep_while(&g->round, seen);
  atomic_fetch_sub(&g->sleepers, 1);
  return atomic_load(&g->round);
}

static void *live(void *argument) {
  member *self = argument;
  uint32_t seen = 0;
  for (;;) {
    seen = next_round(self->gang, seen);
    if (atomic_load(&self->gang->over)) return NULL;
    do_round(self->gang, seen, self->number);
  }
}

static void start_round(gang *g) {
  atomic_fetch_add(&g->round, 1);
  if (atomic_load(&g->sleepers) > 0) wake(&g->round);
}

/* Ends the first `count` threads beyond the caller's. */
static void end_threads(gang *g, uint32_t count) {
  atomic_store(&g->over, 1);
  start_round(g);
  for (uint32_t i = 1; i <= count; i++) pthread_join(g->members[i].thread, NULL);
  free(g);
}

gang *gang_begin(uint32_t threads) {
  gang *g = aligned_alloc(64, sizeof(gang) + threads * sizeof(member));
  if (!g) return NULL;
  *g = (gang){.threads = threads};
  for (uint32_t i = 0; i < threads; i++) g->members[i] = (member){.gang = g, .number = i};
  for (uint32_t i = 1; i < threads; i++) {
    if (pthread_create(&g->members[i].thread, NULL, live, &g->members[i]) != 0) {
      end_threads(g, i - 1);
      return NULL;
    }
  }
  return g;
}

void gang_end(gang *g) { end_threads(g, g->threads - 1); }

static void deal(gang *g, gang_work work, const void *context, uint32_t tasks, uint32_t round) {
  const uint32_t share = tasks / (g->threads * SHARES);
  atomic_store_explicit(&g->work, work, memory_order_relaxed);
  atomic_store_explicit(&g->context, context, memory_order_relaxed);
  atomic_store_explicit(&g->share, share > 0 ? share : 1, memory_order_relaxed);
  atomic_store(&g->undone, tasks);
  for (uint32_t i = 0; i < g->threads; i++) {
    uint64_t begin = (uint64_t)tasks * i / g->threads, end = (uint64_t)tasks * (i + 1) / g->threads;
    /* Nobody takes anything while the end changes, not even one that is still at the round before. */
    atomic_store(&g->members[i].next, (uint64_t)round << 32 | UINT32_MAX);
    atomic_store(&g->members[i].end, (uint32_t)end);
    atomic_store_explicit(&g->members[i].next, (uint64_t)round << 32 | begin, memory_order_release);
  }
}

void gang_run(gang *g, gang_work work, const void *context, uint32_t tasks) {
  if (!g || tasks < 2) {
    if (tasks > 0) work(context, 0, tasks, 0);
    return;
  }
  const uint32_t round = atomic_load_explicit(&g->round, memory_order_relaxed) + 1;
  deal(g, work, context, tasks, round);
  start_round(g);
  do_round(g, round, 0);
  for (uint32_t spin = 0; spin < SPINS; spin++) {
    if (atomic_load_explicit(&g->undone, memory_order_acquire) == 0) return;
    pause_briefly();
  }
  atomic_store(&g->caller_sleeps, 1);
  for (uint32_t left = atomic_load(&g->undone); left != 0; left = atomic_load(&g->undone))
    sleep_while(&g->undone, left);
  atomic_store(&g->caller_sleeps, 0);
}
