// A GPU's driver library for machines without one: the entry points of libcuda.so.1 that graphopt and PyCUDA use, on
// host memory, with faults on demand. An "image" is two paths, of a text compiled for the CPU and of the library that
// runs such texts (graphopt/runtime/emulator.py), so kernels really compute.
//
// As on a GPU, a kernel's fault shows when the device is next waited for, and from then on every call fails.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, INVALID_IMAGE = 200, NO_CONTEXT = 201 };
enum { NOT_FOUND = 500, ILLEGAL_ADDRESS = 700, OUT_OF_RESOURCES = 701, LAUNCH_FAILED = 719 };

typedef uint64_t address;

static const struct { int status; const char* text; } texts[] = {
  {1, "invalid argument"}, {2, "out of memory"}, {3, "initialization error"}, {4, "driver shutting down"},
  {34, "stub library"}, {46, "CUDA-capable device(s) is/are busy or unavailable"}, {100, "no CUDA-capable device is detected"},
  {101, "invalid device ordinal"}, {200, "device kernel image is invalid"}, {201, "invalid device context"},
  {209, "no kernel image is available for execution on the device"}, {218, "a PTX JIT compilation failed"},
  {222, "the provided PTX was compiled with an unsupported toolchain."}, {500, "named symbol not found"},
  {700, "an illegal memory access was encountered"}, {701, "too many resources requested for launch"},
  {719, "unspecified launch failure"}, {803, "system has unsupported display driver / cuda driver combination"},
  {716, "misaligned address"}, {804, "forward compatibility was attempted on non supported HW"}, {999, "unknown error"},
};

// What tests ask for ---------------------------------------------------------------------------------------------------

static struct { const char* name; long value; } settings[] = {
  {"version", 13000}, {"devices", 1}, {"memory", 1 << 30}, {"threads", 1024}, {"shared", 227 * 1024}, {"static", 0},
  {"pending", 0},
};

static long* setting(const char* name) {
  for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
    if (!strcmp(settings[i].name, name)) return &settings[i].value;
  fprintf(stderr, "the pretended driver has no setting %s\n", name);
  abort();
}

enum { FUNCTIONS = 64 };
static struct { char name[48]; int status; long after, calls; } functions[FUNCTIONS];
static int lost, owner;
static size_t used;

static int record_of(const char* function) {
  int i = 0;
  while (i < FUNCTIONS - 1 && functions[i].name[0] && strcmp(functions[i].name, function)) i++;
  strncpy(functions[i].name, function, sizeof functions[i].name - 1);
  return i;
}

void pretend_set(const char* name, long value) { *setting(name) = value; }

// From the call after `after` more on, a function fails with a status; 0 ends that.
void pretend_fault(const char* function, int status, long after) {
  const int i = record_of(function);
  functions[i].status = status;
  functions[i].after = functions[i].calls + after;
}

long pretend_calls(const char* function) { return functions[record_of(function)].calls; }
long pretend_used(void) { return (long)used; }

void pretend_reset(void) {
  memset(functions, 0, sizeof functions);
  lost = owner = 0;
  *setting("version") = 13000, *setting("devices") = 1, *setting("memory") = 1 << 30, *setting("threads") = 1024;
  *setting("shared") = 227 * 1024, *setting("static") = 0, *setting("pending") = 0;
}

static int enter(const char* function) {
  const int i = record_of(function);
  const long call = functions[i].calls++;
  if (owner && owner != getpid()) return NOT_INITIALIZED;
  if (functions[i].status && call >= functions[i].after) return functions[i].status;
  return lost;
}

static pthread_mutex_t one_at_a_time = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static pthread_mutex_t* locked(void) { return pthread_mutex_lock(&one_at_a_time), &one_at_a_time; }
static void unlock(pthread_mutex_t** mutex) { pthread_mutex_unlock(*mutex); }

#define ENTER                                                                  \
  __attribute__((cleanup(unlock), unused)) pthread_mutex_t* turn = locked(); \
  const int fault = enter(__func__);                                           \
  if (fault) return fault

// What happens when the device is waited for.
static int waited(void) {
  if (!lost) lost = (int)*setting("pending");
  return lost;
}

// Device and context ---------------------------------------------------------------------------------------------------

static __thread int pushed;

int cuGetErrorString(int status, const char** text) {
  *text = NULL;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    if (texts[i].status == status) *text = texts[i].text;
  return *text ? 0 : INVALID_VALUE;
}

int cuInit(unsigned flags) {
  ENTER;
  owner = getpid();
  return (int)flags;
}

int cuDriverGetVersion(int* version) { return *version = (int)*setting("version"), 0; }

int cuDeviceGetCount(int* count) {
  ENTER;
  return *count = (int)*setting("devices"), 0;
}

int cuDeviceGet(int* device, int number) {
  ENTER;
  return *device = number, 0;
}

int cuDeviceGetName(char* name, int size, int device) {
  ENTER;
  return snprintf(name, (size_t)size, "Pretended %d", device), 0;
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  ENTER;
  return *bytes = (size_t)*setting("memory"), device * 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  ENTER;
  *value = attribute == 16 ? 4 : attribute == 75 ? 9 : attribute == 97 ? (int)*setting("shared") : 0;
  return device * 0;
}

int cuDevicePrimaryCtxRetain(void** context, int device) {
  ENTER;
  return *context = (char*)NULL + 1 + device, 0;
}

int cuDevicePrimaryCtxRelease_v2(int device) {
  ENTER;
  return device * 0;
}

int cuCtxPushCurrent_v2(void* context) {
  ENTER;
  pushed++;
  return context ? 0 : INVALID_VALUE;
}

int cuCtxPopCurrent_v2(void** context) {
  if (pushed == 0) return NO_CONTEXT;
  return pushed--, *context = NULL, 0;
}

long pretend_depth(void) { return pushed; }

#define ENTER_IN_CONTEXT \
  ENTER;                 \
  if (pushed == 0) return NO_CONTEXT

int cuCtxSynchronize(void) {
  ENTER_IN_CONTEXT;
  return waited();
}

// Memory ---------------------------------------------------------------------------------------------------------------

typedef struct Block {
  struct Block* next;
  char* data;
  size_t size;
  int device;
} Block;

static Block* blocks;

address pretend_memory_of(int device, size_t size) {
  Block* block = malloc(sizeof *block);
  *block = (Block){blocks, aligned_alloc(256, (size + 255) / 256 * 256), size, device};
  memset(block->data, 0xFF, size);
  blocks = block;
  return (address)(uintptr_t)block->data;
}

int cuMemAlloc_v2(address* data, size_t size) {
  ENTER_IN_CONTEXT;
  if (size == 0) return INVALID_VALUE;
  if (used + size > (size_t)*setting("memory")) return OUT_OF_MEMORY;
  used += size;
  return *data = pretend_memory_of(0, size), 0;
}

int cuMemFree_v2(address data) {
  ENTER_IN_CONTEXT;
  for (Block** at = &blocks; *at; at = &(*at)->next)
    if ((*at)->data == (char*)(uintptr_t)data) {
      Block* block = *at;
      *at = block->next;
      used -= block->size;
      free(block->data);
      free(block);
      return 0;
    }
  return INVALID_VALUE;
}

int cuMemGetInfo_v2(size_t* left, size_t* total) {
  ENTER_IN_CONTEXT;
  *total = (size_t)*setting("memory");
  return *left = *total - used, 0;
}

static Block* block_at(address data, size_t size) {
  const char* at = (const char*)(uintptr_t)data;
  for (Block* block = blocks; block; block = block->next)
    if (block->data <= at && at + size <= block->data + block->size) return block;
  return NULL;
}

int cuMemcpyHtoD_v2(address to, const void* from, size_t size) {
  ENTER_IN_CONTEXT;
  if (!block_at(to, size)) return INVALID_VALUE;
  memcpy((void*)(uintptr_t)to, from, size);
  return waited();
}

int cuMemcpyDtoH_v2(void* to, address from, size_t size) {
  ENTER_IN_CONTEXT;
  if (waited()) return lost;
  if (!block_at(from, size)) return INVALID_VALUE;
  return memcpy(to, (const void*)(uintptr_t)from, size), 0;
}

int cuPointerGetAttribute(void* value, int attribute, address data) {
  ENTER;
  const Block* block = block_at(data, 1);
  if (!block || attribute != 9) return INVALID_VALUE;
  return *(int*)value = block->device, 0;
}

// Modules and launches -------------------------------------------------------------------------------------------------

typedef struct { void *kernels, *emulator; } Module;
typedef struct { char kind; unsigned size; } Parameter;
typedef struct { Module module; void* entry; const Parameter* parameters; int shared; } Function;

int cuModuleLoadData(void** module, const void* image) {
  ENTER_IN_CONTEXT;
  char first[4096];
  const char* second = strchr(image, '\n');
  if (!second || second - (const char*)image >= (ptrdiff_t)sizeof first) return INVALID_IMAGE;
  snprintf(first, sizeof first, "%.*s", (int)(second - (const char*)image), (const char*)image);
  Module* made = malloc(sizeof *made);
  *made = (Module){dlopen(first, RTLD_NOW), dlopen(second + 1, RTLD_NOW)};
  return *module = made, made->kernels && made->emulator ? 0 : INVALID_IMAGE;
}

// The sizes of the logs are options 4 and 6 (CU_JIT_…_LOG_BUFFER_SIZE_BYTES): nothing is written to them.
int cuModuleLoadDataEx(void** module, const void* image, unsigned count, const int* options, void** values) {
  for (unsigned i = 0; i < count; i++)
    if (options[i] == 4 || options[i] == 6) values[i] = NULL;
  return cuModuleLoadData(module, image);
}

int cuModuleUnload(void* module) {
  ENTER_IN_CONTEXT;
  free(module);
  return 0;
}

int cuModuleGetFunction(void** function, void* module, const char* name) {
  ENTER_IN_CONTEXT;
  char symbol[512];
  Function* made = malloc(sizeof *made);
  made->module = *(Module*)module;
  made->shared = 48 * 1024 - (int)*setting("static");
  snprintf(symbol, sizeof symbol, "graphopt_call_%s", name);
  made->entry = dlsym(made->module.kernels, symbol);
  snprintf(symbol, sizeof symbol, "graphopt_parameters_%s", name);
  const Parameter* (*describe)(void) = (const Parameter* (*)(void))dlsym(made->module.kernels, symbol);
  if (!made->entry || !describe) return NOT_FOUND;
  made->parameters = describe();
  return *function = made, 0;
}

int cuFuncGetAttribute(int* value, int attribute, void* function) {
  ENTER;
  *value = attribute == 0 ? (int)*setting("threads") : attribute == 4 ? 40 : attribute == 1 ? (int)*setting("static") : 0;
  return function ? 0 : INVALID_VALUE;
}

int cuFuncSetAttribute(void* function, int attribute, int value) {
  ENTER;
  if (attribute != 8 || value + *setting("static") > *setting("shared")) return INVALID_VALUE;
  return ((Function*)function)->shared = value, 0;
}

typedef struct {
  void* kernel;
  void** parameters;
  unsigned grid[3], block[3];
  uint64_t shared_bytes;
  struct { void* begin; unsigned long size; } static_shared;
  uint64_t seed;
  double seconds;
  int poison;
} Request;

typedef struct {
  int outcome, signal, is_write, where;
  uint64_t address, code_offset;
  unsigned block[3], thread[3];
  char module[512], message[2048];
} Report;

static void* of_emulator(const Function* function, const char* name) { return dlsym(function->module.emulator, name); }

int cuLaunchKernel(
    void* called, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared,
    void* stream, void** none, void** extra) {
  ENTER_IN_CONTEXT;
  const Function* function = called;
  if (stream || none || extra[0] != (void*)1 || extra[2] != (void*)2 || extra[4]) return INVALID_VALUE;
  if (!gx || !gy || !gz || !bx || !by || !bz || shared > (unsigned)function->shared) return INVALID_VALUE;
  if (bx * by * bz > 1024) return INVALID_VALUE;
  if (bx * by * bz > *setting("threads")) return OUT_OF_RESOURCES;
  void* parameters[64];
  size_t offset = 0;
  int count = 0;
  for (const Parameter* p = function->parameters; p->size && count < 64; p++) {
    offset = (offset + p->size - 1) / p->size * p->size;
    parameters[count++] = (char*)extra[1] + offset;
    offset += p->size;
  }
  if (offset != *(const size_t*)extra[3]) return INVALID_VALUE;
  Request request = {function->entry, parameters, {gx, gy, gz}, {bx, by, bz}, shared, {0}, 0, 60.0, 0xFF};
  Report report = {0};
  void* (*machine)(void) = (void* (*)(void))of_emulator(function, "graphopt_machine");
  void* (*attach)(void*) = (void* (*)(void*))dlsym(function->module.kernels, "graphopt_attach");
  void (*launch)(Request*, const void*, Report*) =
      (void (*)(Request*, const void*, Report*))of_emulator(function, "graphopt_launch");
  launch(&request, attach(machine()), &report);
  if (report.outcome) *setting("pending") = report.outcome == 2 ? ILLEGAL_ADDRESS : LAUNCH_FAILED;
  return 0;
}

// Events ---------------------------------------------------------------------------------------------------------------

int cuEventCreate(void** event, unsigned flags) {
  ENTER_IN_CONTEXT;
  return *event = calloc(1, sizeof(struct timespec)), (int)flags;
}

int cuEventRecord(void* event, void* stream) {
  ENTER_IN_CONTEXT;
  return clock_gettime(CLOCK_MONOTONIC, event), stream ? INVALID_VALUE : 0;
}

int cuEventSynchronize(void* event) {
  ENTER_IN_CONTEXT;
  return event ? waited() : INVALID_VALUE;
}

static int elapsed(float* milliseconds, const struct timespec* from, const struct timespec* to) {
  *milliseconds = 1e3f * (float)(to->tv_sec - from->tv_sec) + 1e-6f * (float)(to->tv_nsec - from->tv_nsec);
  return 0;
}

int cuEventElapsedTime(float* milliseconds, void* from, void* to) {
  ENTER_IN_CONTEXT;
  return elapsed(milliseconds, from, to);
}

int cuEventElapsedTime_v2(float* milliseconds, void* from, void* to) {
  ENTER_IN_CONTEXT;
  return elapsed(milliseconds, from, to);
}

int cuEventDestroy_v2(void* event) {
  ENTER_IN_CONTEXT;
  free(event);
  return 0;
}
