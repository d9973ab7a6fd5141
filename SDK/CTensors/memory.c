#include "ctensors.h"

#include <sys/mman.h>

// The usual size of a large page; where it is another, nothing is lost.
#define LARGE ((uintptr_t)2 << 20)

void ct_will_fill(void *room, size_t size) {
  uintptr_t start = ((uintptr_t)room + LARGE - 1) / LARGE * LARGE, end = ((uintptr_t)room + size) / LARGE * LARGE;
  if (start < end) madvise((void *)start, end - start, MADV_HUGEPAGE);
}
