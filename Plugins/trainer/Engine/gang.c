#define _GNU_SOURCE
#include "gang.h"

#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The next piece comes within microseconds while a network is trained, and a sleeping thread takes fifty to wake. But
 * another program may need the processor more than a thread that only waits. */
#define SPINS 1500

/* Each line of the cache is written by one side only. */
struct gang {
  uint32_t threads;
  gang_work work;
  const void *context;
  uint32_t tasks;
  _Alignas(64) _Atomic uint32_t round;
  _Atomic uint32_t sleepers;
  _Atomic uint32_t over;
  _Alignas(64) _Atomic uint32_t busy;
  _Atomic uint32_t caller_sleeps;
  _Alignas(64) struct member {
    gang *gang;
    uint32_t number;
    pthread_t thread;
  } members[];
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

static void do_part(gang *g, uint32_t number) {
  uint32_t begin = (uint32_t)((uint64_t)g->tasks * number / g->threads);
  uint32_t end = (uint32_t)((uint64_t)g->tasks * (number + 1) / g->threads);
  if (begin < end) g->work(g->context, begin, end, number);
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
  struct member *self = argument;
  gang *g = self->gang;
  uint32_t seen = 0;
  for (;;) {
    seen = next_round(g, seen);
    if (atomic_load(&g->over)) return NULL;
    do_part(g, self->number);
    if (atomic_fetch_sub(&g->busy, 1) == 1 && atomic_load(&g->caller_sleeps)) wake(&g->busy);
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
  for (uint32_t i = 0; i < count; i++) pthread_join(g->members[i].thread, NULL);
  free(g);
}

gang *gang_begin(uint32_t threads) {
  size_t size = sizeof(gang) + threads * sizeof(struct member);
  gang *g = aligned_alloc(64, (size + 63) / 64 * 64);
  if (!g) return NULL;
  *g = (gang){.threads = threads};
  for (uint32_t i = 0; i + 1 < threads; i++) {
    g->members[i].gang = g;
    g->members[i].number = i + 1;
    if (pthread_create(&g->members[i].thread, NULL, live, &g->members[i]) != 0) {
      end_threads(g, i);
      return NULL;
    }
  }
  return g;
}

void gang_end(gang *g) { end_threads(g, g->threads - 1); }

void gang_run(gang *g, gang_work work, const void *context, uint32_t tasks) {
  if (!g || g->threads == 1 || tasks == 1) {
    if (tasks > 0) work(context, 0, tasks, 0);
    return;
  }
  g->work = work;
  g->context = context;
  g->tasks = tasks;
  atomic_store(&g->busy, g->threads - 1);
  start_round(g);
  do_part(g, 0);
  for (uint32_t spin = 0; spin < SPINS; spin++) {
    if (atomic_load_explicit(&g->busy, memory_order_acquire) == 0) return;
    pause_briefly();
  }
  atomic_store(&g->caller_sleeps, 1);
  for (uint32_t left = atomic_load(&g->busy); left != 0; left = atomic_load(&g->busy)) sleep_while(&g->busy, left);
  atomic_store(&g->caller_sleeps, 0);
}
