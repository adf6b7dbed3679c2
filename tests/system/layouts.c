/* What a compiler makes of winnt.h: sizes, offsets and constants, a line each. */
#include <windows.h>
#include <stddef.h>
#include <stdio.h>

#define SHOW(name, value) printf("%s %llu\n", name, (unsigned long long)(value))

int main(void)
{
    SHOW("sizeof GROUP_AFFINITY", sizeof(GROUP_AFFINITY));
    SHOW("GROUP_AFFINITY.Mask", offsetof(GROUP_AFFINITY, Mask));
    SHOW("GROUP_AFFINITY.Group", offsetof(GROUP_AFFINITY, Group));
    SHOW("GROUP_AFFINITY.Reserved", offsetof(GROUP_AFFINITY, Reserved));
    SHOW("sizeof JOBOBJECT_CPU_RATE_CONTROL_INFORMATION",
         sizeof(JOBOBJECT_CPU_RATE_CONTROL_INFORMATION));
    SHOW("JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.ControlFlags",
         offsetof(JOBOBJECT_CPU_RATE_CONTROL_INFORMATION, ControlFlags));
    SHOW("JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.CpuRate",
         offsetof(JOBOBJECT_CPU_RATE_CONTROL_INFORMATION, CpuRate));
    SHOW("JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.Weight",
         offsetof(JOBOBJECT_CPU_RATE_CONTROL_INFORMATION, Weight));
    SHOW("JobObjectCpuRateControlInformation", JobObjectCpuRateControlInformation);
    SHOW("JOB_OBJECT_CPU_RATE_CONTROL_ENABLE", JOB_OBJECT_CPU_RATE_CONTROL_ENABLE);
    SHOW("JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED", JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED);
    SHOW("JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP", JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP);
    SHOW("ComputerNamePhysicalDnsHostname", ComputerNamePhysicalDnsHostname);
    SHOW("ALL_PROCESSOR_GROUPS", ALL_PROCESSOR_GROUPS);
    SHOW("MAXIMUM_PROC_PER_GROUP", MAXIMUM_PROC_PER_GROUP);
    SHOW("sizeof HANDLE", sizeof(HANDLE));
    SHOW("sizeof USHORT", sizeof(USHORT));
    SHOW("sizeof BOOL", sizeof(BOOL));
    SHOW("sizeof MEMORYSTATUSEX", sizeof(MEMORYSTATUSEX));
    SHOW("MEMORYSTATUSEX.ullTotalPhys", offsetof(MEMORYSTATUSEX, ullTotalPhys));
    SHOW("sizeof DWORD", sizeof(DWORD));
    SHOW("sizeof DWORD_PTR", sizeof(DWORD_PTR));
    return 0;
}
