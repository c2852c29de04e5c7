# Installer of Acme Gate 1.2.0-rc.1. Compile it in a folder that holds what it packs:
#   makensis -NOCONFIG -WX -INPUTCHARSET UTF8 THIS-FILE
#
# Silent: `setup.exe /S … [/D=FOLDER]`, `uninstall.exe /S … [_?=FOLDER]`; with `_?=` (last, unquoted) the uninstaller
# does not go on in a copy of itself, so that it can be waited for; it then leaves itself behind.
#
# Parameters of the setup:
#   /S  no windows, no questions
#   /CONFIG=FILE  use a copy of this configuration
#   /PORT=NUMBER  write this port into the default configuration
#   /NOSERVICE  create no service
#   /NOSTART  do not start the service
#   /LOG=FILE  append to this file what the setup does
#   /ALLOWDOWNGRADE  install over a newer version
#   /?  show this
#   /D=FOLDER  install there; the last one, never quoted
# Parameters of the uninstaller:
#   /S  no windows, no questions
#   /PURGE  remove configuration, logs and state as well
#   /LOG=FILE  append to this file what the uninstaller does
#
# Exit codes:
#   0  installed or removed; the service runs if it ran before or starts by itself
#   1  cancelled by the user; nothing was changed
#   2  a file or a registry key could not be written
#   3  not run as administrator; nothing was changed
#   4  not a 64-bit Windows 10, Windows Server 2016 or newer; nothing was changed
#   5  another setup of this product is running; nothing was changed
#   6  a folder is another user's, or could not be made, secured or moved aside
#   7  the service could not be opened or removed
#   8  the service did not stop in time or its program is in use
#   9  installed for the first time, but the service did not become ready
#   10  /D= is no folder to install into; nothing was changed
#   11  the product or its service is in another folder; nothing was changed
#   12  a newer version is installed; nothing was changed
#   13  a parameter is unknown or its value cannot be used; nothing was changed
#   14  the program refuses the configuration; nothing was changed
#   15  the new version could not be installed or did not become ready; all is as before
#   16  as 15, but not all could be put back; the next run of the setup tries again

Unicode true
# Debian's NSIS has 64-bit stubs; the one for Windows has 32-bit stubs only, which serve as well.
!if /FileExists "${NSISDIR}/Stubs/lzma_solid-amd64-unicode"
  Target amd64-unicode
!endif
SetCompressor /SOLID lzma
# Times of files would make each compilation a different one.
SetDateSave off
# With `on`, a silent setup skips a file that is in use and still says 0.
AllowSkipFiles off
SetOverwrite on
RequestExecutionLevel admin
ManifestSupportedOS Win10
ManifestDPIAware true
XPStyle on

!include LogicLib.nsh
!include WinVer.nsh
!include x64.nsh

Name "Acme Gate" "Acme Gate"
OutFile "acme-gate-1.2.0-rc.1-x86_64-pc-windows-msvc-setup.exe"
# The toolkit compiles it with a command that signs the uninstaller, where code signing is declared:
#   -DCODESIGN="COMMAND "%1""
!ifdef CODESIGN
  !uninstfinalize '${CODESIGN}' = 0
!endif
BrandingText "Acme & Sons"
Icon "gate.ico"
UninstallIcon "gate.ico"
LicenseData "COPYING.txt"
ShowInstDetails show
ShowUninstDetails show

VIProductVersion 1.2.0.0
VIFileVersion 1.2.0.0
VIAddVersionKey "ProductName" "Acme Gate"
VIAddVersionKey "ProductVersion" "1.2.0-rc.1"
VIAddVersionKey "CompanyName" "Acme & Sons"
VIAddVersionKey "LegalCopyright" "Acme & Sons"
VIAddVersionKey "FileDescription" "Acme Gate setup"
VIAddVersionKey "FileVersion" "1.2.0-rc.1"
VIAddVersionKey "InternalName" "acme-gate"
VIAddVersionKey "OriginalFilename" "acme-gate-1.2.0-rc.1-x86_64-pc-windows-msvc-setup.exe"
VIAddVersionKey "Comments" "Opens and shuts"

# Pages show; they decide nothing, because a silent setup runs none of them.
Page license
Page directory
Page instfiles
UninstPage uninstConfirm
UninstPage instfiles

!define UNINSTALL_KEY "Software\Microsoft\Windows\CurrentVersion\Uninstall"
!define EVENT_LOG_KEY "SYSTEM\CurrentControlSet\Services\EventLog\Application"

# winsvc.h
!define SC_MANAGER_CONNECT_AND_CREATE 0x3
!define SERVICE_ALL_ACCESS 0xF01FF
!define SERVICE_WIN32_OWN_PROCESS 0x10
!define SERVICE_ERROR_NORMAL 1
!define SERVICE_NO_CHANGE 0xFFFFFFFF
!define SERVICE_CONTROL_STOP 1
!define SERVICE_STOPPED 1
!define SERVICE_START_PENDING 2
!define SERVICE_RUNNING 4
!define SERVICE_CONFIG_DESCRIPTION 1
!define SERVICE_CONFIG_FAILURE_ACTIONS 2
!define SERVICE_CONFIG_DELAYED_AUTO_START_INFO 3
!define SERVICE_CONFIG_FAILURE_ACTIONS_FLAG 4
!define SERVICE_CONFIG_SERVICE_SID_INFO 5
!define SERVICE_CONFIG_PRESHUTDOWN_INFO 7
!define SERVICE_SID_TYPE_UNRESTRICTED 1
!define ERROR_ALREADY_EXISTS 183
!define ERROR_SERVICE_DOES_NOT_EXIST 1060
# winnt.h: owner, list of rights, not inherited.
!define SECURITY_INFORMATION 0x80000005
!define OWNER_SECURITY_INFORMATION 1
!define FILE_ATTRIBUTE_DIRECTORY 0x10
!define FILE_ATTRIBUTE_REPARSE_POINT 0x400
!define INVALID_FILE_ATTRIBUTES -1
# accctrl.h
!define SE_FILE_OBJECT 1
# stringapiset.h
!define CSTR_EQUAL 2
!define CSTR_GREATER_THAN 3
# winbase.h
!define STD_OUTPUT_HANDLE -11
!define STD_ERROR_HANDLE -12
!define POLL_MS 200
!define FILE_MS 10000

Var DataFolder
Var LogsFolder
Var ConfigFile
Var ProgramFile
Var ShippedConfig
Var Message
# Handle of the file of `/LOG=`, empty without it.
Var Log
Var Manager
Var Service
# 1 if the service ran when the setup came.
Var WasRunning
# Ends the setup with $Message, which is no parameter because a macro would read its escapes a second time. A silent
# setup has nobody to read a box: the message goes to its standard error as well, if it has one.
!macro Fail code
  SetErrorLevel ${code}
  Call ${PREFIX}Fail
!macroend
!define Fail "!insertmacro Fail"

!macro Shared
# Shows $Message and writes it to the log. Changes no register.
Function ${PREFIX}Say
  DetailPrint "$Message"
  ${If} $Log != ""
    System::Store "S"
    System::Call "*(&i2, &i2, &i2, &i2, &i2, &i2, &i2, &i2)p.r0"
    System::Call "kernel32::GetSystemTime(p r0)"
    System::Call "*$0(&i2 .r1, &i2 .r2, &i2, &i2 .r3, &i2 .r4, &i2 .r5, &i2 .r6, &i2)"
    System::Free $0
    IntFmt $2 "%02d" $2
    IntFmt $3 "%02d" $3
    IntFmt $4 "%02d" $4
    IntFmt $5 "%02d" $5
    IntFmt $6 "%02d" $6
    FileWriteUTF16LE $Log "$1-$2-$3T$4:$5:$6Z $Message$\r$\n"
    System::Store "L"
  ${EndIf}
FunctionEnd

# In: $0, STD_OUTPUT_HANDLE or STD_ERROR_HANDLE. Writes $Message there, if there is such a thing.
Function ${PREFIX}Print
  System::Call "kernel32::GetStdHandle(i r0)p.r0"
  ${If} $0 P<> 0
  ${AndIf} $0 P<> -1
    FileWrite $0 "$Message$\r$\n"
  ${EndIf}
FunctionEnd

Function ${PREFIX}Fail
!if "${PREFIX}" == ""
  ${If} $Begun > 0
    Call Undo
  ${EndIf}
!endif
  Call ${PREFIX}Say
  StrCpy $0 ${STD_ERROR_HANDLE}
  Call ${PREFIX}Print
  MessageBox MB_OK|MB_ICONSTOP "$Message" /SD IDOK
  Quit
FunctionEnd

# What has to hold before anything is touched, and where things are.
Function ${PREFIX}Prepare
  ${IfNot} ${RunningX64}
  ${OrIfNot} ${AtLeastWin10}
    StrCpy $Message "64-bit Windows 10, Windows Server 2016 or newer is needed."
    ${Fail} 4
  ${EndIf}
  System::Call "shell32::IsUserAnAdmin()i.r0"
  ${If} $0 = 0
    StrCpy $Message "Administrator rights are needed."
    ${Fail} 3
  ${EndIf}
  # Held until the process ends.
  StrCpy $1 "Global\acme-gate-setup"
  System::Call "kernel32::CreateMutexW(p 0, i 1, w r1)p.r0 ?e"
  Pop $0
  ${If} $0 = ${ERROR_ALREADY_EXISTS}
    StrCpy $Message "Another setup of Acme Gate is running."
    ${Fail} 5
  ${EndIf}
  SetRegView 64
  SetShellVarContext all
  StrCpy $DataFolder "$APPDATA\acme-gate"
  StrCpy $LogsFolder "$DataFolder\logs"
  StrCpy $ConfigFile "$DataFolder\gate.toml"
FunctionEnd

# Calls Argument for each argument, in $6. NSIS takes `/D=` and `_?=` away before.
Function ${PREFIX}ReadArguments
  System::Call "kernel32::GetCommandLineW()p.r0"
  System::Call "kernel32::lstrlenW(p r0)i.r1"
  ${If} $1 >= ${NSIS_MAX_STRLEN}
    StrCpy $Message "The command line has $1 characters; the setup reads no more than ${NSIS_MAX_STRLEN}."
    ${Fail} 13
  ${EndIf}
  StrCpy $2 $CMDLINE
  System::Call "shell32::CommandLineToArgvW(w r2, *i .r3)p.r0"
  StrCpy $4 1
  ${DoWhile} $4 < $3
    IntOp $5 $4 * ${NSIS_PTR_SIZE}
    IntPtrOp $5 $0 + $5
    System::Call "*$5(w .r6)"
    System::Store "S"
    Call ${PREFIX}Argument
    System::Store "L"
    IntOp $4 $4 + 1
  ${Loop}
  System::Call "kernel32::LocalFree(p r0)"
FunctionEnd

# In: $0, the value of `/LOG=`.
Function ${PREFIX}OpenLog
  ClearErrors
  FileOpen $Log "$0" a
  ${If} ${Errors}
    StrCpy $Log ""
    StrCpy $Message "/LOG=$0 cannot be written."
    ${Fail} 13
  ${EndIf}
  FileSeek $Log 0 END $1
  ${If} $1 = 0
    FileWriteWord $Log 0xFEFF
  ${EndIf}
  StrCpy $Message "Acme Gate 1.2.0-rc.1: $CMDLINE"
  Call ${PREFIX}Say
FunctionEnd

# Where things are in $INSTDIR, which a page may have changed since the start. Out: also $Manager, and $Service, which
# is 0 if there is no such service; one that is there but cannot be opened ends the setup.
Function ${PREFIX}OpenService
  StrCpy $ProgramFile "$INSTDIR\acmed.exe"
  StrCpy $ShippedConfig "$INSTDIR\gate.toml.shipped"
  StrCpy $WasRunning 0
  System::Call "advapi32::OpenSCManagerW(p 0, p 0, i ${SC_MANAGER_CONNECT_AND_CREATE})p.r0"
  StrCpy $Manager $0
  ${If} $Manager P= 0
    StrCpy $Message "The service manager cannot be reached."
    ${Fail} 7
  ${EndIf}
  StrCpy $1 "acme"
  System::Call "advapi32::OpenServiceW(p $Manager, w r1, i ${SERVICE_ALL_ACCESS})p.r0 ?e"
  Pop $1
  StrCpy $Service $0
  ${If} $Service P= 0
  ${AndIf} $1 <> ${ERROR_SERVICE_DOES_NOT_EXIST}
    StrCpy $Message "The service acme cannot be opened."
    ${Fail} 7
  ${EndIf}
FunctionEnd

Function ${PREFIX}CloseService
  System::Call "advapi32::CloseServiceHandle(p $Service)"
  System::Call "advapi32::CloseServiceHandle(p $Manager)"
FunctionEnd

# Out: $0, the state of $Service (dwCurrentState), 0 if it cannot be asked.
Function ${PREFIX}QueryState
  System::Call "*(i 0, i 0, i 0, i 0, i 0, i 0, i 0)p.r1"
  System::Call "advapi32::QueryServiceStatus(p $Service, p r1)i.r2"
  System::Call "*$1(i, i.r0)"
  System::Free $1
  ${If} $2 = 0
    StrCpy $0 0
  ${EndIf}
FunctionEnd

# Stops $Service, if there is one, and waits until it has stopped and nothing holds its program any more. Out: $0 is 1,
# or 0 with the reason in $Message.
Function ${PREFIX}StopService
  StrCpy $0 ${SERVICE_STOPPED}
  ${If} $Service P<> 0
    Call ${PREFIX}QueryState
  ${EndIf}
  ${If} $0 <> ${SERVICE_STOPPED}
    StrCpy $Message "Stopping the service"
    Call ${PREFIX}Say
    StrCpy $WasRunning 1
    StrCpy $3 0
    ${Do}
      # Asked again each time: a service that is still starting refuses to stop.
      System::Call "*(i 0, i 0, i 0, i 0, i 0, i 0, i 0)p.r1"
      System::Call "advapi32::ControlService(p $Service, i ${SERVICE_CONTROL_STOP}, p r1)"
      System::Free $1
      Call ${PREFIX}QueryState
      ${If} $0 = ${SERVICE_STOPPED}
        ${ExitDo}
      ${EndIf}
      ${If} $3 > 15000
        StrCpy $Message "The service acme did not stop in time."
        StrCpy $0 0
        Return
      ${EndIf}
      Sleep ${POLL_MS}
      IntOp $3 $3 + ${POLL_MS}
    ${Loop}
  ${EndIf}
  # The process ends a little after its service has.
  StrCpy $3 0
  ${DoWhile} ${FileExists} "$ProgramFile"
    ClearErrors
    FileOpen $0 "$ProgramFile" a
    ${IfNot} ${Errors}
      FileClose $0
      ${ExitDo}
    ${EndIf}
    ${If} $3 > ${FILE_MS}
      StrCpy $Message "$ProgramFile is in use."
      StrCpy $0 0
      Return
    ${EndIf}
    Sleep ${POLL_MS}
    IntOp $3 $3 + ${POLL_MS}
  ${Loop}
  StrCpy $0 1
FunctionEnd

# In: $5 and $6, two files. Out: $0, 1 if both are there and alike byte for byte.
Function ${PREFIX}FilesEqual
  StrCpy $0 0
  ClearErrors
  FileOpen $1 "$5" r
  ${If} ${Errors}
    Return
  ${EndIf}
  FileOpen $2 "$6" r
  ${If} ${Errors}
    FileClose $1
    Return
  ${EndIf}
  ${Do}
    ClearErrors
    FileReadByte $1 $3
    ${If} ${Errors}
      StrCpy $3 end
    ${EndIf}
    ClearErrors
    FileReadByte $2 $4
    ${If} ${Errors}
      StrCpy $4 end
    ${EndIf}
    ${If} $3 != $4
      ${ExitDo}
    ${EndIf}
    ${If} $3 == end
      StrCpy $0 1
      ${ExitDo}
    ${EndIf}
  ${Loop}
  FileClose $1
  FileClose $2
FunctionEnd

# In: $0, a folder that nobody but administrators and the service may write to. Removes it with all that is in it. A
# link is removed, not followed: `RMDir /r` would empty what the service's account made one point to.
Function ${PREFIX}RemoveTree
  Push $1
  Push $2
  Push $3
  ClearErrors
  FindFirst $1 $2 "$0\*.*"
  ${DoUntil} ${Errors}
    ${If} $2 != "."
    ${AndIf} $2 != ".."
      Push $0
      StrCpy $0 "$0\$2"
      System::Call "kernel32::GetFileAttributesW(w r0)i.r3"
      IntOp $2 $3 & ${FILE_ATTRIBUTE_REPARSE_POINT}
      IntOp $3 $3 & ${FILE_ATTRIBUTE_DIRECTORY}
      ${If} $3 = 0
        Delete "$0"
      ${ElseIf} $2 <> 0
        RMDir "$0"
      ${Else}
        Call ${PREFIX}RemoveTree
      ${EndIf}
      Pop $0
    ${EndIf}
    ClearErrors
    FindNext $1 $2
  ${Loop}
  FindClose $1
  RMDir "$0"
  Pop $3
  Pop $2
  Pop $1
FunctionEnd
!macroend

!define PREFIX ""
# What the setup has begun: 1, it stopped the service; 2, it exchanges files. Both are undone when it fails.
Var Begun
!insertmacro Shared
!undef PREFIX
!define PREFIX "un."
!insertmacro Shared
!undef PREFIX

!define PREFIX ""
Var GivenConfig
# The port to write into the default configuration; empty for the declared one.
Var Port
Var GivenPort
Var NoService
Var NoStart
Var AllowDowngrade

# In: $6, an argument.
Function Argument
  # NSIS has read these two already, and reads them in upper case only.
  ${If} $6 S== "/S"
  ${OrIf} $6 S== "/NCRC"
    Return
  ${EndIf}
  ${If} $6 == "/?"
    Call Help
  ${EndIf}
  ${If} $6 == "/NOSERVICE"
    StrCpy $NoService 1
    Return
  ${EndIf}
  ${If} $6 == "/NOSTART"
    StrCpy $NoStart 1
    Return
  ${EndIf}
  ${If} $6 == "/ALLOWDOWNGRADE"
    StrCpy $AllowDowngrade 1
    Return
  ${EndIf}
  StrCpy $7 $6 8
  ${If} $7 == "/CONFIG="
    StrCpy $0 $6 "" 8
    Call FullPath
    StrCpy $GivenConfig $0
    ${If} $GivenConfig == ""
    ${OrIfNot} ${FileExists} "$GivenConfig"
    ${OrIf} ${FileExists} "$GivenConfig\*.*"
      StrCpy $Message "$6 is no file."
      ${Fail} 13
    ${EndIf}
    Return
  ${EndIf}
  StrCpy $7 $6 5
  ${If} $7 == "/LOG="
    StrCpy $0 $6 "" 5
    Call FullPath
    ${If} $0 != ""
      Call OpenLog
      Return
    ${EndIf}
  ${EndIf}
  StrCpy $7 $6 6
  ${If} $7 == "/PORT="
    StrCpy $GivenPort $6 "" 6
    # What is no plain decimal number is written in another way once it was calculated with.
    IntOp $0 $GivenPort + 0
    ${If} $0 S!= $GivenPort
    ${OrIf} $0 < 1
    ${OrIf} $0 > 65535
      StrCpy $Message "$6 is no port: a number from 1 to 65535 is needed."
      ${Fail} 13
    ${EndIf}
    Return
  ${EndIf}
  StrCpy $Message "$6 is no parameter of this setup; /? shows them."
  ${Fail} 13
FunctionEnd

# In and out: $0, a path; empty if it is none.
Function FullPath
  ${If} $0 != ""
    System::Call "kernel32::GetFullPathNameW(w r0, i ${NSIS_MAX_STRLEN}, w .r1, p 0)i.r2"
    StrCpy $0 $1
    ${If} $2 = 0
    ${OrIf} $2 >= ${NSIS_MAX_STRLEN}
      StrCpy $0 ""
    ${EndIf}
  ${EndIf}
FunctionEnd

Function Help
  StrCpy $Message "Acme Gate 1.2.0-rc.1"
  StrCpy $Message "$Message$\r$\n/S: no windows, no questions"
  StrCpy $Message "$Message$\r$\n/CONFIG=FILE: use a copy of this configuration"
  StrCpy $Message "$Message$\r$\n/PORT=NUMBER: write this port into the default configuration"
  StrCpy $Message "$Message$\r$\n/NOSERVICE: create no service"
  StrCpy $Message "$Message$\r$\n/NOSTART: do not start the service"
  StrCpy $Message "$Message$\r$\n/LOG=FILE: append to this file what the setup does"
  StrCpy $Message "$Message$\r$\n/ALLOWDOWNGRADE: install over a newer version"
  StrCpy $Message "$Message$\r$\n/?: show this"
  StrCpy $Message "$Message$\r$\n/D=FOLDER: install there; the last one, never quoted"
  StrCpy $0 ${STD_OUTPUT_HANDLE}
  Call Print
  MessageBox MB_OK "$Message" /SD IDOK
  SetErrorLevel 0
  Quit
FunctionEnd

# NSIS passes over a `/D=` that it does not like and would install into the default folder. It is the last argument and
# goes to the end, unquoted (NSIS Users Manual 3.2.1); $CMDLINE ends before it.
Function CheckGivenFolder
  System::Call "kernel32::GetCommandLineW()w.r4"
  StrCpy $1 0
  ${Do}
    StrCpy $2 $4 4 $1
    ${If} $2 == ""
      Return
    ${EndIf}
    ${If} $2 S== " /D="
      ${ExitDo}
    ${EndIf}
    IntOp $1 $1 + 1
  ${Loop}
  IntOp $1 $1 + 4
  StrCpy $2 $4 "" $1
  # NSIS takes away what ends it: blanks and a backslash.
  ${Do}
    StrCpy $3 $2 "" -1
    ${If} $3 != " "
    ${AndIf} $3 != "\"
      ${ExitDo}
    ${EndIf}
    StrCpy $2 $2 -1
  ${Loop}
  StrCpy $0 $INSTDIR
  ${If} $0 != $2
    StrCpy $0 ""
  ${ElseIf} ${FileExists} "$0"
  ${AndIfNot} ${FileExists} "$0\*.*"
    StrCpy $0 ""
  ${EndIf}
  ${If} $0 == ""
    StrCpy $Message "/D=$2 is no folder to install into: a full path on a drive of this machine is needed."
    ${Fail} 10
  ${EndIf}
FunctionEnd

# A version is compared by its key: texts of the same order as the versions have (Semantic Versioning 2.0.0, 11).
Function CheckVersion
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}\acme-gate" "VersionKey"
  ReadRegStr $1 HKLM "${UNINSTALL_KEY}\acme-gate" "DisplayVersion"
  # A setup that was ended after its files were in place and before it wrote its version down.
  ${If} ${FileExists} "$INSTDIR\.gone\*.*"
    ReadRegStr $0 HKLM "${UNINSTALL_KEY}\acme-gate\Upgrade" "VersionKey"
    ReadRegStr $1 HKLM "${UNINSTALL_KEY}\acme-gate\Upgrade" "DisplayVersion"
  ${EndIf}
  StrCpy $2 "0000000000000000000100000000000000000002000000000000000000003726300200110"
  System::Call "kernel32::CompareStringOrdinal(w r0, i -1, w r2, i -1, i 0)i.r3"
  ${If} $3 = ${CSTR_GREATER_THAN}
  ${AndIf} $AllowDowngrade <> 1
    StrCpy $Message "Acme Gate $1 is installed, which is newer than 1.2.0-rc.1. /ALLOWDOWNGRADE installs the older one."
    ${Fail} 12
  ${EndIf}
FunctionEnd

# A second folder would orphan the first, whose uninstaller would take the service of the second away.
Function CheckElsewhere
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${If} $0 != ""
  ${AndIf} $0 != $INSTDIR
    StrCpy $Message "Acme Gate is installed in $0. Uninstall it first to install it elsewhere."
    ${Fail} 11
  ${EndIf}
FunctionEnd

Function .onInit
  StrCpy $Begun 0
  Call ReadArguments
  ${If} $GivenConfig != ""
  ${AndIf} $GivenPort != ""
    StrCpy $Message "/PORT= is written into the default configuration, not into that of /CONFIG=."
    ${Fail} 13
  ${EndIf}
  Call Prepare
  Call CheckGivenFolder
  # `/D=` wins, then the folder of an earlier installation.
  ${If} $INSTDIR == ""
    ReadRegStr $INSTDIR HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${EndIf}
  ${If} $INSTDIR == ""
    StrCpy $INSTDIR "$PROGRAMFILES64\acme-gate"
  ${EndIf}
  Call CheckElsewhere
  Call CheckVersion
FunctionEnd
# In: $0 a file or folder, $1 who may what in it (security descriptor string). Nobody else may: what an account with
# more rights runs must not be written by one with fewer, and ProgramData lets everybody write.
Function Secure
  System::Call "advapi32::ConvertStringSecurityDescriptorToSecurityDescriptorW(w r1, i 1, *p .r2, p 0)i.r3"
  ${If} $3 <> 0
    System::Call "advapi32::SetFileSecurityW(w r0, i ${SECURITY_INFORMATION}, p r2)i.r3"
    System::Call "kernel32::LocalFree(p r2)"
  ${EndIf}
  ${If} $3 = 0
    StrCpy $Message "The rights of $0 could not be set."
    ${Fail} 6
  ${EndIf}
FunctionEnd

# In: $0 a file or folder. Out: $1, who owns it (SID); empty if that cannot be asked.
Function OwnerOf
  StrCpy $1 ""
  System::Call "advapi32::GetNamedSecurityInfoW(w r0, i ${SE_FILE_OBJECT}, i ${OWNER_SECURITY_INFORMATION}, *p .r2, p 0, p 0, p 0, *p .r3)i.r4"
  ${If} $4 = 0
    System::Call "advapi32::ConvertSidToStringSidW(p r2, *p .r4)i.r2"
    ${If} $2 <> 0
      System::Call "*$4(&w${NSIS_MAX_STRLEN} .r1)"
      System::Call "kernel32::LocalFree(p r4)"
    ${EndIf}
    System::Call "kernel32::LocalFree(p r3)"
  ${EndIf}
FunctionEnd

# In: $0 a file or folder. Out: $5, 1 if somebody may have made it who is no administrator. Ours is what Secure has set,
# what SYSTEM made, and what belongs to whom this setup's own files belong to; a link leads anywhere.
Function IsForeign
  StrCpy $5 0
  System::Call "kernel32::GetFileAttributesW(w r0)i.r6"
  ${If} $6 = ${INVALID_FILE_ATTRIBUTES}
    Return
  ${EndIf}
  StrCpy $5 1
  IntOp $6 $6 & ${FILE_ATTRIBUTE_REPARSE_POINT}
  ${If} $6 <> 0
    Return
  ${EndIf}
  StrCpy $6 $0
  StrCpy $0 $PLUGINSDIR
  Call OwnerOf
  StrCpy $7 $1
  StrCpy $0 $6
  Call OwnerOf
  ${If} $1 == "S-1-5-32-544"
  ${OrIf} $1 == "S-1-5-18"
    StrCpy $5 0
  ${ElseIf} $1 != ""
  ${AndIf} $1 == $7
    StrCpy $5 0
  ${EndIf}
FunctionEnd

# In: $0 a file or folder in ProgramData, where everybody may lay some: what is foreign is moved aside rather than taken
# for ours.
Function DistrustForeign
  Call IsForeign
  ${If} $5 = 0
    Return
  ${EndIf}
  StrCpy $8 1
  ${DoWhile} ${FileExists} "$0.foreign-$8"
    IntOp $8 $8 + 1
  ${Loop}
  ClearErrors
  Rename "$0" "$0.foreign-$8"
  ${If} ${Errors}
    StrCpy $Message "$0 was not made by an administrator and could not be moved aside."
    ${Fail} 6
  ${EndIf}
  StrCpy $Message "Moved $0, which was not made by an administrator, to $0.foreign-$8"
  Call Say
FunctionEnd

# The folders of configuration and logs, each for those who need it.
Function PrepareFolders
  # What an earlier installation secured is trusted, whoever edits it.
  ReadRegStr $R1 HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${If} $R1 == ""
    StrCpy $0 "$DataFolder"
    Call DistrustForeign
  ${EndIf}
  CreateDirectory "$DataFolder"
  StrCpy $0 "$DataFolder"
  StrCpy $1 "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;NS)"
  Call Secure
  # From here on nobody else can lay anything there; what was laid before is looked at once more.
  ${If} $R1 == ""
    StrCpy $0 "$LogsFolder"
    Call DistrustForeign
    StrCpy $0 "$ConfigFile"
    Call DistrustForeign
  ${EndIf}
  CreateDirectory "$LogsFolder"
  StrCpy $0 "$LogsFolder"
  StrCpy $1 "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;NS)"
  Call Secure
FunctionEnd

# In: $0, a configuration file.
Function SecureConfig
  StrCpy $1 "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1200a9;;;NS)"
  Call Secure
FunctionEnd
# Where the new default configuration is staged.
Var StagedConfig
# What becomes of the configuration: "given" (that of /CONFIG=), "default" or "keep".
Var ConfigPlan
# 1 if somebody edited the configuration that is there.
Var ConfigEdited
# 1 if the new default is to lie beside a configuration that is kept.
Var LayNew

# In: the default configuration at $StagedConfig. Out: $ConfigPlan, $ConfigEdited, $LayNew.
Function PlanConfig
  StrCpy $ConfigEdited 0
  StrCpy $LayNew 0
  StrCpy $5 "$ConfigFile"
  ${If} $GivenConfig != ""
    StrCpy $ConfigPlan given
  ${Else}
    StrCpy $ConfigPlan default
  ${EndIf}
  ${IfNot} ${FileExists} "$ConfigFile"
    Return
  ${EndIf}
  # It cannot be moved aside and copied from where it was.
  ${If} $GivenConfig == $ConfigFile
    StrCpy $ConfigPlan keep
    Return
  ${EndIf}
  # Nobody edited what is as it was shipped, then or now.
  StrCpy $6 "$ShippedConfig"
  Call FilesEqual
  ${If} $0 = 0
    StrCpy $6 "$StagedConfig"
    Call FilesEqual
  ${EndIf}
  ${If} $0 = 1
    Return
  ${EndIf}
  StrCpy $ConfigEdited 1
  ${If} $GivenConfig != ""
    StrCpy $6 "$GivenConfig"
    Call FilesEqual
    ${If} $0 = 1
      StrCpy $ConfigPlan keep
    ${EndIf}
    Return
  ${EndIf}
  ${If} $GivenPort != ""
    StrCpy $Message "/PORT= cannot be written into $ConfigFile, which was edited."
    ${Fail} 13
  ${EndIf}
  StrCpy $ConfigPlan keep
  # One that somebody edited is theirs.
  StrCpy $LayNew 1
  ${If} ${FileExists} "$ConfigFile.new"
    StrCpy $5 "$ConfigFile.new"
    StrCpy $6 "$ShippedConfig"
    Call FilesEqual
    StrCpy $LayNew $0
  ${EndIf}
FunctionEnd

# Writes $Port over the port in the default configuration at $StagedConfig.
Function WritePort
  ClearErrors
  Rename "$StagedConfig" "$StagedConfig.port"
  FileOpen $0 "$StagedConfig.port" r
  FileOpen $1 "$StagedConfig" w
  ${If} ${Errors}
    StrCpy $Message "$StagedConfig could not be written."
    ${Fail} 2
  ${EndIf}
  # $2 is the line, $4 the byte in it.
  StrCpy $2 0
  StrCpy $4 0
  ${Do}
    ClearErrors
    FileReadByte $0 $3
    ${If} ${Errors}
      ${ExitDo}
    ${EndIf}
    ${If} $2 = 12
    ${AndIf} $4 = 7
      FileWrite $1 "$Port"
    ${EndIf}
    ${If} $2 <> 12
    ${OrIf} $4 < 7
    ${OrIf} $4 >= 10
      FileWriteByte $1 $3
    ${EndIf}
    IntOp $4 $4 + 1
    ${If} $3 = 10
      IntOp $2 $2 + 1
      StrCpy $4 0
    ${EndIf}
  ${Loop}
  FileClose $0
  FileClose $1
  Delete "$StagedConfig.port"
FunctionEnd

# In: $0, a file, and $1, where a copy goes. What is there is replaced.
Function CopyFile
  System::Call "kernel32::CopyFileW(w r0, w r1, i 0)i.r2"
  ${If} $2 = 0
    StrCpy $Message "$1 could not be written."
    ${Fail} 2
  ${EndIf}
FunctionEnd

# The files of $ConfigPlan, after those of the program; the former configuration stays as $ConfigFile.old.
Function LayConfig
  ${If} $ConfigPlan == keep
    StrCpy $Message "Kept $ConfigFile; the default is $ShippedConfig"
    Call Say
  ${Else}
    ${If} ${FileExists} "$ConfigFile"
      ClearErrors
      Delete "$ConfigFile.old"
      Rename "$ConfigFile" "$ConfigFile.old"
      ${If} ${Errors}
        StrCpy $Message "$ConfigFile could not be moved aside."
        ${Fail} 2
      ${EndIf}
    ${EndIf}
    StrCpy $0 "$ShippedConfig"
    ${If} $ConfigPlan == given
      StrCpy $0 "$GivenConfig"
    ${EndIf}
    StrCpy $1 "$ConfigFile"
    Call CopyFile
  ${EndIf}
  StrCpy $0 "$ConfigFile"
  Call SecureConfig
FunctionEnd

# Once the new version serves: the new default beside a configuration that is kept, and an edited one that was
# replaced under a name of its own.
Function SettleConfig
  ${If} ${FileExists} "$ConfigFile.old"
    ${If} $ConfigEdited = 1
      Delete "$ConfigFile.previous"
      Rename "$ConfigFile.old" "$ConfigFile.previous"
      StrCpy $Message "The former configuration is $ConfigFile.previous"
      Call Say
    ${Else}
      Delete "$ConfigFile.old"
    ${EndIf}
  ${EndIf}
  ${If} $LayNew = 1
    StrCpy $0 "$ShippedConfig"
    StrCpy $1 "$ConfigFile.new"
    Call CopyFile
    StrCpy $0 "$ConfigFile.new"
    Call SecureConfig
    StrCpy $Message "The new default is $ConfigFile.new"
    Call Say
  ${EndIf}
FunctionEnd
# Creates the service, or points an existing one to the new program; account and start type stay as the administrator
# left them.
Function RegisterService
  # Ids 1 to 1000 of EventCreate.exe need no message file of our own.
  WriteRegExpandStr HKLM "${EVENT_LOG_KEY}\acme" "EventMessageFile" "%SystemRoot%\System32\EventCreate.exe"
  WriteRegDWORD HKLM "${EVENT_LOG_KEY}\acme" "TypesSupported" 7
  WriteRegDWORD HKLM "${EVENT_LOG_KEY}\acme" "CustomSource" 1
  StrCpy $1 "acme"
  StrCpy $2 "Acme Gate"
  # Quoted: else C:\Program.exe would be started instead.
  StrCpy $3 "$\"$ProgramFile$\" serve $\"--config=$ConfigFile$\" --greeting $\"hello world$\""
  StrCpy $4 "NT AUTHORITY\NetworkService"
  ${If} $Service P= 0
    System::Call "advapi32::CreateServiceW(p $Manager, w r1, w r2, i ${SERVICE_ALL_ACCESS}, i ${SERVICE_WIN32_OWN_PROCESS}, i 2, i ${SERVICE_ERROR_NORMAL}, w r3, p 0, p 0, p 0, w r4, p 0)p.r0"
    StrCpy $Service $0
    ${If} $Service P= 0
      StrCpy $Message "The service acme could not be created."
      ${Fail} 7
    ${EndIf}
    Call DescribeService
  ${Else}
    Call PointService
    ${If} $0 = 0
      StrCpy $Message "The service acme could not be changed."
      ${Fail} 7
    ${EndIf}
  ${EndIf}
FunctionEnd

# In: $3, the command line of $Service, and $2, the name it shows. Out: $0, 0 if they could not be changed.
Function PointService
  System::Call "advapi32::ChangeServiceConfigW(p $Service, i ${SERVICE_NO_CHANGE}, i ${SERVICE_NO_CHANGE}, i ${SERVICE_NO_CHANGE}, w r3, p 0, p 0, p 0, p 0, p 0, w r2)i.r0"
FunctionEnd

# What the service works without: description, and what Windows does when it fails or shuts down.
Function DescribeService
  StrCpy $1 "Opens and shuts"
  System::Call "*(w r1)p.r2"
  System::Call "advapi32::ChangeServiceConfig2W(p $Service, i ${SERVICE_CONFIG_DESCRIPTION}, p r2)"
  System::Free $2
  # SC_ACTION: restart (1) after a delay, three times; Windows repeats the last. None of them: the list is emptied.
  System::Call "*(i 1, i 1500, i 1, i 1500, i 1, i 1500)p.r1"
  # SERVICE_FAILURE_ACTIONSW: forget failures after a day. Pointers are aligned, which the plug-in leaves to us.
!if ${NSIS_PTR_SIZE} > 4
  System::Call "*(i 86400, i 0, p 0, p 0, i 3, i 0, p r1)p.r2"
!else
  System::Call "*(i 86400, p 0, p 0, i 3, p r1)p.r2"
!endif
  System::Call "advapi32::ChangeServiceConfig2W(p $Service, i ${SERVICE_CONFIG_FAILURE_ACTIONS}, p r2)"
  System::Free $2
  System::Free $1
  # An end with an exit code other than 0 is a failure as well, not only a crash.
  StrCpy $2 ${SERVICE_CONFIG_FAILURE_ACTIONS_FLAG}
  StrCpy $3 1
  Call SetServiceNumber
  # How long Windows lets it drain before it shuts down.
  StrCpy $2 ${SERVICE_CONFIG_PRESHUTDOWN_INFO}
  StrCpy $3 15000
  Call SetServiceNumber
  # A SID of its own, by which files can be granted to this service alone.
  StrCpy $2 ${SERVICE_CONFIG_SERVICE_SID_INFO}
  StrCpy $3 ${SERVICE_SID_TYPE_UNRESTRICTED}
  Call SetServiceNumber
  StrCpy $2 ${SERVICE_CONFIG_DELAYED_AUTO_START_INFO}
  StrCpy $3 1
  Call SetServiceNumber
FunctionEnd

# In: $2, a level of ChangeServiceConfig2W whose structure is one number, and $3, that number.
Function SetServiceNumber
  System::Call "*(i r3)p.r1"
  System::Call "advapi32::ChangeServiceConfig2W(p $Service, i r2, p r1)"
  System::Free $1
FunctionEnd

# Starts $Service. Out: $0, 1 once it runs, 0 if it does not in time.
Function StartService
  StrCpy $Message "Starting the service"
  Call Say
  System::Call "advapi32::StartServiceW(p $Service, i 0, p 0)"
  StrCpy $3 0
  ${Do}
    Call QueryState
    ${If} $0 = ${SERVICE_RUNNING}
      StrCpy $0 1
      Return
    ${EndIf}
    ${If} $0 <> ${SERVICE_START_PENDING}
    ${OrIf} $3 > 35000
      StrCpy $0 0
      Return
    ${EndIf}
    Sleep ${POLL_MS}
    IntOp $3 $3 + ${POLL_MS}
  ${Loop}
FunctionEnd

# Waits until $Service, which runs, is ready. Out: $0, 1 if it is, 0 if it is not in time or has ended.
Function WaitReady
  System::Call "kernel32::GetTickCount()i.r8"
  ${Do}
    StrCpy $3 "$\"$ProgramFile$\" ask $\"--of=$ConfigFile$\" $\"how are you$\""
    nsExec::Exec /TIMEOUT=${FILE_MS} "$3"
    Pop $7
    Call QueryState
    System::Call "kernel32::GetTickCount()i.r9"
    IntOp $9 $9 - $8
    ${If} $0 <> ${SERVICE_RUNNING}
      StrCpy $0 0
      Return
    ${EndIf}
    ${If} $7 == 0
      StrCpy $0 1
      Return
    ${EndIf}
    ${If} $9 > 35000
      StrCpy $0 0
      Return
    ${EndIf}
    Sleep ${POLL_MS}
  ${Loop}
FunctionEnd
!define UPGRADE_KEY "${UNINSTALL_KEY}\acme-gate\Upgrade"
!define FILES_KEY "${UNINSTALL_KEY}\acme-gate\Files"

# 1 if a version was installed before.
Var Upgrading
# 1 once an exchange was undone.
Var Undone

# Outside of Program Files, everybody may make the folder before we do, and exchange the program in it later. Which one an
# earlier installation has is known; another must be an administrator's.
Function RefuseForeignFolder
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${If} $0 != ""
    Return
  ${EndIf}
  StrCpy $0 "$INSTDIR"
  Call IsForeign
  ${If} $5 = 0
    Return
  ${EndIf}
  # An empty one is made anew: its owner could change again what rights it is given. A link is not for us to remove.
  System::Call "kernel32::GetFileAttributesW(w r0)i.r6"
  IntOp $6 $6 & ${FILE_ATTRIBUTE_REPARSE_POINT}
  ${If} $6 = 0
    RMDir "$INSTDIR"
  ${EndIf}
  ${If} ${FileExists} "$INSTDIR"
    StrCpy $Message "$INSTDIR was not made by an administrator. Choose another folder, or move it away."
    ${Fail} 6
  ${EndIf}
FunctionEnd

# Outside of Program Files, everybody may write into a folder that was just made. One that holds something keeps its rights.
Function MakeFolder
  # Somebody may have made it since.
  Call RefuseForeignFolder
  StrCpy $5 "$INSTDIR"
  Call FirstEntry
  ${If} $5 == ""
    CreateDirectory "$INSTDIR"
    StrCpy $0 "$INSTDIR"
    StrCpy $1 "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
    Call Secure
  ${EndIf}
FunctionEnd

# What lies beside the packed files in $INSTDIR\.new: the uninstaller, and the port in the default configuration.
Function CompleteStage
  ClearErrors
  WriteUninstaller "$INSTDIR\.new\uninstall.exe"
  ${If} ${Errors}
    StrCpy $Message "$INSTDIR\.new\uninstall.exe could not be written."
    ${Fail} 2
  ${EndIf}
  # A folder that is some program's current one cannot be removed.
  SetOutPath "$INSTDIR"
  StrCpy $Port $GivenPort
  ${If} $Port == ""
    ReadRegStr $Port HKLM "${UNINSTALL_KEY}\acme-gate" "Port"
  ${EndIf}
  ${If} $Port != ""
    Call WritePort
  ${EndIf}
FunctionEnd

# Asks the staged program about the configuration it is going to run with.
Function CheckConfig
  Push $ProgramFile
  Push $ConfigFile
  StrCpy $ProgramFile "$INSTDIR\.new\acmed.exe"
  ${If} $ConfigPlan == given
    StrCpy $ConfigFile "$GivenConfig"
  ${ElseIf} $ConfigPlan == default
    StrCpy $ConfigFile "$StagedConfig"
  ${EndIf}
  StrCpy $3 "$\"$ProgramFile$\" look $\"$ConfigFile$\""
  StrCpy $4 "$ConfigFile"
  Pop $ConfigFile
  Pop $ProgramFile
  nsExec::ExecToStack /TIMEOUT=${FILE_MS} "$3"
  Pop $0
  Pop $1
  ${If} $0 != 0
    StrCpy $Message "The configuration $4 is refused by 1.2.0-rc.1:$\r$\n$1"
    ${Fail} 14
  ${EndIf}
FunctionEnd

# In: $0 and $1, a file and its new name, which is free. Fails if it is held for too long.
Function MoveFile
  StrCpy $2 0
  ${Do}
    ClearErrors
    Rename "$0" "$1"
    ${IfNot} ${Errors}
      Return
    ${EndIf}
    ${If} $2 > ${FILE_MS}
      StrCpy $Message "$0 could not be renamed to $1."
      ${Fail} 2
    ${EndIf}
    Sleep ${POLL_MS}
    IntOp $2 $2 + ${POLL_MS}
  ${Loop}
FunctionEnd

# In: $5, the name of a file of $INSTDIR; it moves to .old, or its absence is written down there.
Function SetAside
  ${If} ${FileExists} "$INSTDIR\$5"
    StrCpy $0 "$INSTDIR\$5"
    StrCpy $1 "$INSTDIR\.old\$5"
    Call MoveFile
  ${Else}
    ClearErrors
    FileOpen $0 "$INSTDIR\.old\$5.absent" w
    ${If} ${Errors}
      StrCpy $Message "$INSTDIR\.old could not be written."
      ${Fail} 2
    ${EndIf}
    FileClose $0
  ${EndIf}
FunctionEnd

# Writes down what the service is like, for whoever undoes the exchange.
Function WriteJournal
  ClearErrors
  DeleteRegKey HKLM "${UPGRADE_KEY}"
  ClearErrors
  ${If} $Service P<> 0
    ReadRegStr $0 HKLM "SYSTEM\CurrentControlSet\Services\acme" "ImagePath"
    WriteRegStr HKLM "${UPGRADE_KEY}" "ImagePath" $0
    ReadRegStr $0 HKLM "SYSTEM\CurrentControlSet\Services\acme" "DisplayName"
    WriteRegStr HKLM "${UPGRADE_KEY}" "ServiceName" $0
  ${EndIf}
  ${IfNot} ${FileExists} "$ConfigFile"
    WriteRegDWORD HKLM "${UPGRADE_KEY}" "NoConfig" 1
  ${EndIf}
  WriteRegDWORD HKLM "${UPGRADE_KEY}" "WasRunning" $WasRunning
  ClearErrors
  WriteRegStr HKLM "${UPGRADE_KEY}" "DisplayVersion" "1.2.0-rc.1"
  WriteRegStr HKLM "${UPGRADE_KEY}" "VersionKey" "0000000000000000000100000000000000000002000000000000000000003726300200110"
  ${If} ${Errors}
    StrCpy $Message "The registry could not be written."
    ${Fail} 2
  ${EndIf}
FunctionEnd

# In: $5, a folder. Out: $5, the name of something in it, empty if there is nothing.
Function FirstEntry
  FindFirst $4 $5 "$5\*.*"
  ${Do}
    ${If} $5 != "."
    ${AndIf} $5 != ".."
      ${ExitDo}
    ${EndIf}
    FindNext $4 $5
  ${Loop}
  FindClose $4
FunctionEnd

# Exchanges the files of the former version for those of $INSTDIR\.new.
Function SwapFiles
  Call WriteJournal
  StrCpy $Begun 3
  CreateDirectory "$INSTDIR\.old"
  # Files of the former version that this one has not.
  StrCpy $4 0
  ${Do}
    ClearErrors
    EnumRegValue $5 HKLM "${FILES_KEY}" $4
    ${If} $5 == ""
      ${ExitDo}
    ${EndIf}
    ${If} ${FileExists} "$INSTDIR\$5"
    ${AndIfNot} ${FileExists} "$INSTDIR\.new\$5"
      Call SetAside
    ${EndIf}
    IntOp $4 $4 + 1
  ${Loop}
  ${Do}
    StrCpy $5 "$INSTDIR\.new"
    Call FirstEntry
    ${If} $5 == ""
      ${ExitDo}
    ${EndIf}
    Call SetAside
    StrCpy $0 "$INSTDIR\.new\$5"
    StrCpy $1 "$INSTDIR\$5"
    Call MoveFile
  ${Loop}
  RMDir "$INSTDIR\.new"
FunctionEnd

# From here on the new version is the installed one.
Function Commit
  StrCpy $0 "$INSTDIR\.old"
  StrCpy $1 "$INSTDIR\.gone"
  Call MoveFile
  StrCpy $Begun 0
FunctionEnd

# Puts back what .old holds. Out: $0, 0 if a file would not go.
Function RestoreFiles
  StrCpy $0 1
  ${Do}
    StrCpy $5 "$INSTDIR\.old"
    Call FirstEntry
    ${If} $5 == ""
      ${ExitDo}
    ${EndIf}
    ClearErrors
    StrCpy $6 $5 "" -7
    ${If} $6 == ".absent"
      StrCpy $6 $5 -7
      Delete "$INSTDIR\$6"
      ${IfNot} ${Errors}
        Delete "$INSTDIR\.old\$5"
      ${EndIf}
    ${Else}
      Delete "$INSTDIR\$5"
      Rename "$INSTDIR\.old\$5" "$INSTDIR\$5"
    ${EndIf}
    ${If} ${Errors}
      StrCpy $0 0
      Return
    ${EndIf}
  ${Loop}
  RMDir "$INSTDIR\.old"
FunctionEnd

# Puts the service back as the journal says.
Function RestoreService
  ReadRegStr $3 HKLM "${UPGRADE_KEY}" "ImagePath"
  ReadRegStr $2 HKLM "${UPGRADE_KEY}" "ServiceName"
  ${If} $Service P= 0
    Return
  ${EndIf}
  ${If} $3 != ""
    Call PointService
  ${Else}
    System::Call "advapi32::DeleteService(p $Service)"
    System::Call "advapi32::CloseServiceHandle(p $Service)"
    StrCpy $Service 0
    DeleteRegKey HKLM "${EVENT_LOG_KEY}\acme"
  ${EndIf}
FunctionEnd

# Undoes an exchange of files, this run's or that of one that was ended in the middle, and starts the former version if
# it ran. Out: $Undone, 1 if all is as it was.
Function UndoSwap
  StrCpy $Undone 0
  Push $WasRunning
  Call StopService
  Pop $WasRunning
  Call RestoreFiles
  StrCpy $R2 $0
  Call RestoreService
  ClearErrors
  ReadRegDWORD $0 HKLM "${UPGRADE_KEY}" "NoConfig"
  ${If} $0 = 1
    Delete "$ConfigFile"
  ${ElseIf} ${FileExists} "$ConfigFile.old"
    Delete "$ConfigFile"
    Rename "$ConfigFile.old" "$ConfigFile"
  ${EndIf}
  ReadRegDWORD $R3 HKLM "${UPGRADE_KEY}" "WasRunning"
  ${If} $R2 = 1
    DeleteRegKey HKLM "${UPGRADE_KEY}"
    DeleteRegKey /ifempty HKLM "${UNINSTALL_KEY}\acme-gate"
  ${EndIf}
  ${If} $R3 = 1
  ${AndIf} $Service P<> 0
    Call StartService
    IntOp $R2 $R2 & $0
  ${EndIf}
  StrCpy $Undone $R2
FunctionEnd

# Called when the setup fails after it began to touch things: $Begun says how far it came. Keeps $Message, and adds to
# it what became of the machine.
Function Undo
  Push $Message
  StrCpy $R4 $Begun
  StrCpy $Begun 0
  StrCpy $R5 ""
  ${If} $R4 = 3
    StrCpy $Message "$Message Putting everything back."
    Call Say
    Call UndoSwap
    ${If} $Undone = 1
      SetErrorLevel 15
      StrCpy $R5 " Everything is as it was before."
    ${Else}
      SetErrorLevel 16
      StrCpy $R5 " Not everything could be put back; run this setup again."
    ${EndIf}
  ${ElseIf} $R4 = 2
  ${AndIf} $WasRunning = 1
    Call StartService
  ${EndIf}
  SetOutPath "$TEMP"
  StrCpy $0 "$INSTDIR\.new"
  Call RemoveTree
  # What a first installation made and left empty.
  RMDir "$LogsFolder"
  RMDir "$DataFolder"
  RMDir "$INSTDIR"
  Pop $Message
  StrCpy $Message "$Message$R5"
FunctionEnd

# Undoes or finishes what a setup that was ended in the middle left behind.
Function Recover
  ${If} ${FileExists} "$INSTDIR\.old\*.*"
    StrCpy $Message "An earlier setup was interrupted; undoing what it did"
    Call Say
    Call UndoSwap
    ${If} $Undone = 0
      StrCpy $Message "What an interrupted setup left in $INSTDIR could not be undone."
      Call Say
    ${EndIf}
    ${If} $R3 = 1
      StrCpy $WasRunning 1
    ${EndIf}
  ${EndIf}
  # Of a setup that was ended just before it settled this.
  ${If} ${FileExists} "$ConfigFile.old"
    Delete "$ConfigFile.previous"
    Rename "$ConfigFile.old" "$ConfigFile.previous"
  ${EndIf}
  StrCpy $0 "$INSTDIR\.new"
  Call RemoveTree
  StrCpy $0 "$INSTDIR\.gone"
  Call RemoveTree
FunctionEnd

# A file that could not be unpacked ends the setup without asking anybody.
Function .onInstFailed
  ${If} $Begun > 0
    Call Undo
  ${EndIf}
FunctionEnd
# In: $R8, the size of the section in KiB.
Function WriteRegistry
  ClearErrors
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "DisplayName" "Acme Gate"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "DisplayVersion" "1.2.0-rc.1"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "VersionKey" "0000000000000000000100000000000000000002000000000000000000003726300200110"
  WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "VersionMajor" 1
  WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "VersionMinor" 2
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "Publisher" "Acme & Sons"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "Comments" "Opens and shuts"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "URLInfoAbout" "https://acme.example/gate"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "DisplayIcon" "$INSTDIR\uninstall.exe,0"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation" "$INSTDIR"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "UninstallString" "$\"$INSTDIR\uninstall.exe$\""
  # What SCCM, Intune and winget run.
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "QuietUninstallString" "$\"$INSTDIR\uninstall.exe$\" /S"
  WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "NoModify" 1
  WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "NoRepair" 1
  WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "EstimatedSize" $R8
  ${If} $Port != ""
    WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "Port" "$Port"
  ${EndIf}
  ${If} $NoService = 1
    WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "NoService" 1
  ${EndIf}
  WriteRegStr HKLM "${FILES_KEY}" "acmed.exe" ""
  WriteRegStr HKLM "${FILES_KEY}" "COPYING.txt" ""
  WriteRegStr HKLM "${FILES_KEY}" "gate.toml.shipped" ""
  WriteRegStr HKLM "${FILES_KEY}" "uninstall.exe" ""
  ${If} ${Errors}
    StrCpy $Message "The registry could not be written."
    ${Fail} 2
  ${EndIf}
FunctionEnd

# By program: it stays right when the port is changed in the configuration.
Function AllowThroughFirewall
  nsExec::Exec "$\"$SYSDIR\netsh.exe$\" advfirewall firewall delete rule name=$\"acme$\""
  Pop $0
  nsExec::Exec "$\"$SYSDIR\netsh.exe$\" advfirewall firewall add rule name=$\"acme$\" dir=in action=allow protocol=TCP program=$\"$ProgramFile$\" enable=yes"
  Pop $0
  ${If} $0 != 0
    StrCpy $Message "The firewall rule acme could not be added."
    Call Say
  ${EndIf}
FunctionEnd

Section "-Program" Program
  # A page may have chosen another folder.
  Call CheckElsewhere
  # Before anything of an interrupted setup is taken from there.
  Call RefuseForeignFolder
  Call OpenService
  Call Recover
  StrCpy $Upgrading 0
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${If} $0 != ""
    StrCpy $Upgrading 1
  ${EndIf}
  ReadRegDWORD $0 HKLM "${UNINSTALL_KEY}\acme-gate" "NoService"
  ${If} $0 = 1
    StrCpy $NoService 1
  ${EndIf}

  StrCpy $Begun 1
  Call MakeFolder
  # Packed in the section, because its size is that of the installation.
  SetOutPath "$INSTDIR\.new"
  File "acmed.exe"
  File "COPYING.txt"
  StrCpy $StagedConfig "$INSTDIR\.new\gate.toml.shipped"
  File "/oname=$StagedConfig" "gate.toml"
  Call CompleteStage
  Call PrepareFolders
  Call PlanConfig
  Call CheckConfig

  StrCpy $R7 1
  ${If} $Service P<> 0
    StrCpy $Begun 2
    Call StopService
    ${If} $0 = 0
      ${Fail} 8
    ${EndIf}
    # An upgrade does not leave it stopped that ran, nor start it that was stopped.
    StrCpy $R7 $WasRunning
  ${ElseIf} $NoService = 1
    StrCpy $R7 0
  ${EndIf}
  ${If} $NoStart = 1
    StrCpy $R7 0
  ${EndIf}

  Call SwapFiles
  Call LayConfig
  ${If} $Service P<> 0
  ${OrIf} $NoService <> 1
    Call RegisterService
  ${EndIf}
  StrCpy $R6 1
  ${If} $R7 = 1
    Call StartService
    ${If} $0 = 1
      Call WaitReady
    ${EndIf}
    StrCpy $R6 $0
  ${EndIf}
  StrCpy $Message "The service acme did not become ready. Check $ConfigFile; what it logged, if it came that far, is in $LogsFolder."
  ${If} $R6 = 0
  ${AndIf} $Upgrading = 1
    ${Fail} 15
  ${EndIf}

  Call Commit
  DeleteRegKey HKLM "${FILES_KEY}"
  SectionGetSize ${Program} $R8
  Call WriteRegistry
  ${If} $Service P<> 0
    Call DescribeService
  ${EndIf}
  Call SettleConfig
  Call AllowThroughFirewall
  DeleteRegKey HKLM "${UPGRADE_KEY}"
  StrCpy $0 "$INSTDIR\.gone"
  Call RemoveTree
  Call CloseService
  ${If} $R6 = 0
    StrCpy $Message "The service acme did not become ready. Check $ConfigFile; what it logged, if it came that far, is in $LogsFolder."
    ${Fail} 9
  ${EndIf}
  StrCpy $Message "Installed Acme Gate 1.2.0-rc.1 in $INSTDIR"
  Call Say
SectionEnd

!undef PREFIX
!define PREFIX "un."

Var Purge

# In: $6, an argument.
Function un.Argument
  ${If} $6 S== "/S"
  ${OrIf} $6 S== "/NCRC"
    Return
  ${EndIf}
  ${If} $6 == "/PURGE"
    StrCpy $Purge 1
    Return
  ${EndIf}
  StrCpy $7 $6 5
  StrCpy $0 $6 "" 5
  ${If} $7 == "/LOG="
  ${AndIf} $0 != ""
    Call un.OpenLog
    Return
  ${EndIf}
  StrCpy $Message "$6 is no parameter of this uninstaller."
  ${Fail} 13
FunctionEnd

Function un.onInit
  Call un.ReadArguments
  Call un.Prepare
FunctionEnd

# Removes the service, if it is the one of this folder.
Function un.RemoveService
  # A service that runs another folder's program is not ours to remove.
  ReadRegStr $0 HKLM "SYSTEM\CurrentControlSet\Services\acme" "ImagePath"
  StrLen $1 "$\"$ProgramFile$\""
  StrCpy $2 $0 $1
  ${If} $Service P<> 0
  ${AndIf} $2 != "$\"$ProgramFile$\""
    StrCpy $Message "The service acme belongs to another folder: $0"
    ${Fail} 11
  ${EndIf}
  Call un.StopService
  ${If} $0 = 0
    ${Fail} 8
  ${EndIf}
  ${If} $Service P<> 0
    System::Call "advapi32::DeleteService(p $Service)i.r0"
    ${If} $0 = 0
      StrCpy $Message "The service acme could not be removed."
      ${Fail} 7
    ${EndIf}
  ${EndIf}
  Call un.CloseService
  DeleteRegKey HKLM "${EVENT_LOG_KEY}\acme"
  nsExec::Exec "$\"$SYSDIR\netsh.exe$\" advfirewall firewall delete rule name=$\"acme$\""
  Pop $0
FunctionEnd

# Removes what an interrupted setup left behind in $INSTDIR: staged files and those of the former version.
Function un.RemoveStages
  StrCpy $0 "$INSTDIR\.new"
  Call un.RemoveTree
  StrCpy $0 "$INSTDIR\.old"
  Call un.RemoveTree
  StrCpy $0 "$INSTDIR\.gone"
  Call un.RemoveTree
FunctionEnd

Section "un.Program"
  Call un.OpenService
  Call un.RemoveService

  StrCpy $5 "$ConfigFile.new"
  StrCpy $6 "$ShippedConfig"
  Call un.FilesEqual
  ${If} $0 = 1
    Delete "$ConfigFile.new"
  ${EndIf}
  Call un.RemoveStages
  ClearErrors
  # Only what was installed, one by one: a recursive delete has emptied other folders (electron-builder#3201).
  Delete "$ProgramFile"
  Delete "$INSTDIR\COPYING.txt"
  Delete "$ShippedConfig"
  ${If} ${Errors}
    StrCpy $Message "A file in $INSTDIR could not be removed."
    ${Fail} 2
  ${EndIf}
  Delete "$INSTDIR\uninstall.exe"
  ${If} $Purge = 1
    StrCpy $0 "$DataFolder"
    Call un.RemoveTree
    ${If} ${FileExists} "$DataFolder\*.*"
      StrCpy $Message "A file in $DataFolder could not be removed."
      ${Fail} 2
    ${EndIf}
  ${Else}
    StrCpy $Message "Kept $DataFolder with configuration and logs; /PURGE removes them"
    Call un.Say
  ${EndIf}
  # Folders go only when they are empty.
  RMDir "$LogsFolder"
  RMDir "$DataFolder"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${UNINSTALL_KEY}\acme-gate"
SectionEnd

!undef PREFIX
