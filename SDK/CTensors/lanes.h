// A function that is compiled for several kinds of machine, of which the loader takes the best that this one is.
// Not under the thread sanitizer, which would look at the choosing before it has begun itself.
#if defined(__x86_64__) && defined(__linux__) && !__has_feature(thread_sanitizer)
#define CT_LANES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CT_LANES
#endif
