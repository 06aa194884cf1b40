// NVRTC for machines without it: it "compiles" a text to its options and the text, and rejects one with the word wrong.
// VERSION is the major version that it has; compute capabilities are 7.5 to 9.0, and 10.0 from version 13 on.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { char *text, *file, *log, *code; } Program;

int nvrtcVersion(int* major, int* minor) { return *major = VERSION, *minor = 4, 0; }
const char* nvrtcGetErrorString(int status) { return status == 5 ? "INVALID_OPTION" : "OTHER"; }
int nvrtcGetNumSupportedArchs(int* count) { return *count = VERSION < 13 ? 3 : 4, 0; }

int nvrtcGetSupportedArchs(int* archs) {
  const int known[] = {75, 80, 90, 100};
  return memcpy(archs, known, (VERSION < 13 ? 3 : 4) * sizeof *known), 0;
}

int nvrtcCreateProgram(Program** made, const char* text, const char* file, int headers, void* names, void* texts) {
  if (headers || names || texts) return 3;
  *made = calloc(1, sizeof **made);
  (*made)->text = strdup(text), (*made)->file = strdup(file);
  return 0;
}

int nvrtcDestroyProgram(Program** program) {
  free((*program)->text), free((*program)->file), free((*program)->log), free((*program)->code), free(*program);
  return *program = NULL, 0;
}

int nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  size_t size = strlen(program->text) + 64;
  for (int i = 0; i < count; i++) size += strlen(options[i]) + 1;
  program->code = calloc(size, 1);
  program->log = calloc(256, 1);
  for (int i = 0; i < count; i++) {
    if (!strcmp(options[i], "--unknown")) return 5;
    strcat(strcat(program->code, options[i]), " ");
  }
  strcat(program->code, program->text);
  if (!strstr(program->text, "wrong")) return 0;
  return snprintf(program->log, 256, "%s(7): error: this is wrong\n", program->file), 6;
}

int nvrtcGetProgramLogSize(Program* program, size_t* size) { return *size = strlen(program->log) + 1, 0; }
int nvrtcGetProgramLog(Program* program, char* log) { return strcpy(log, program->log), 0; }
int nvrtcGetCUBINSize(Program* program, size_t* size) { return *size = strlen(program->code), 0; }
int nvrtcGetCUBIN(Program* program, char* code) { return memcpy(code, program->code, strlen(program->code)), 0; }
int nvrtcGetPTXSize(Program* program, size_t* size) { return *size = strlen(program->code) + 1, 0; }
int nvrtcGetPTX(Program* program, char* code) { return strcpy(code, program->code), 0; }
