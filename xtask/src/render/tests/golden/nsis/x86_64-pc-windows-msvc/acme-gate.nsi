# Installer of Acme Gate 1.2.0-rc.1. Compile it in a folder that holds what it packs:
#   makensis -NOCONFIG -WX -INPUTCHARSET UTF8 THIS-FILE
#
# Silent: `setup.exe /S [/D=FOLDER]`, `uninstall.exe /S [_?=FOLDER]`; with `_?=` (last, unquoted) the uninstaller
# does not go on in a copy of itself, so that it can be waited for; it then leaves itself behind.
#
# Exit codes:
#   0  installed or removed; the service runs unless it is started by hand only
#   1  cancelled by the user; nothing was changed
#   2  a file or a registry key could not be written
#   3  not run as administrator; nothing was changed
#   4  not a 64-bit Windows 10, Windows Server 2016 or newer; nothing was changed
#   5  another setup of this product is running; nothing was changed
#   6  a folder could not be made, secured or moved aside
#   7  the service could not be registered or removed
#   8  the service did not stop in time or its program is in use
#   9  the files are installed, but the service did not start in time
#   10  /D= is no folder to install into; nothing was changed
#   11  the product or its service is in another folder; nothing was changed

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
!define SERVICE_CONFIG_FAILURE_ACTIONS_FLAG 4
!define ERROR_ALREADY_EXISTS 183
!define ERROR_SERVICE_DOES_NOT_EXIST 1060
# winnt.h: owner, list of rights, not inherited.
!define SECURITY_INFORMATION 0x80000005
!define OWNER_SECURITY_INFORMATION 1
!define FILE_ATTRIBUTE_REPARSE_POINT 0x400
!define INVALID_FILE_ATTRIBUTES -1
# accctrl.h
!define SE_FILE_OBJECT 1
!define POLL_MS 200

Var DataFolder
Var LogsFolder
Var ConfigFile
Var ProgramFile
Var ShippedConfig
Var Message
Var Manager
Var Service
Var WasRunning

# Ends the setup with $Message, which is no parameter because a macro would read its escapes a second time. A silent
# setup has nobody to read a box: the message goes to its standard error as well, if it has one.
!macro Fail code
  SetErrorLevel ${code}
  Call ${PREFIX}Fail
!macroend
!define Fail "!insertmacro Fail"

!macro Shared
Function ${PREFIX}Fail
  System::Call "kernel32::GetStdHandle(i -12)p.r0"
  ${If} $0 P<> 0
  ${AndIf} $0 P<> -1
    FileWrite $0 "$Message$\r$\n"
  ${EndIf}
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

# Stops $Service and waits until it has stopped and nothing holds its program any more.
Function ${PREFIX}StopService
  Call ${PREFIX}QueryState
  ${If} $0 <> ${SERVICE_STOPPED}
    DetailPrint "Stopping the service"
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
        ${Fail} 8
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
    ${If} $3 > 10000
      StrCpy $Message "$ProgramFile is in use."
      ${Fail} 8
    ${EndIf}
    Sleep ${POLL_MS}
    IntOp $3 $3 + ${POLL_MS}
  ${Loop}
FunctionEnd

# Out: $0, 1 if the configuration is byte for byte the one that was shipped.
Function ${PREFIX}ConfigIsShipped
  StrCpy $0 0
  ClearErrors
  FileOpen $1 "$ConfigFile" r
  ${If} ${Errors}
    Return
  ${EndIf}
  FileOpen $2 "$ShippedConfig" r
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
!macroend

!define PREFIX ""
!insertmacro Shared
!undef PREFIX
!define PREFIX "un."
!insertmacro Shared
!undef PREFIX

!define PREFIX ""

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

Function .onInit
  Call Prepare
  Call CheckGivenFolder
  # `/D=` wins, then the folder of an earlier installation.
  ${If} $INSTDIR == ""
    ReadRegStr $INSTDIR HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${EndIf}
  ${If} $INSTDIR == ""
    StrCpy $INSTDIR "$PROGRAMFILES64\acme-gate"
  ${EndIf}
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

# In: $0 a file or folder in ProgramData, where everybody may lay some: what an administrator's setup did not make is
# moved aside, and so is a link, rather than taken for ours. Ours are kept: what Secure has set, what SYSTEM made, and
# what belongs to whom this setup's own files belong to.
Function DistrustForeign
  System::Call "kernel32::GetFileAttributesW(w r0)i.r5"
  ${If} $5 = ${INVALID_FILE_ATTRIBUTES}
    Return
  ${EndIf}
  IntOp $5 $5 & ${FILE_ATTRIBUTE_REPARSE_POINT}
  ${If} $5 = 0
    StrCpy $6 $0
    StrCpy $0 $PLUGINSDIR
    Call OwnerOf
    StrCpy $7 $1
    StrCpy $0 $6
    Call OwnerOf
    ${If} $1 == "S-1-5-32-544"
    ${OrIf} $1 == "S-1-5-18"
      Return
    ${EndIf}
    ${If} $1 != ""
    ${AndIf} $1 == $7
      Return
    ${EndIf}
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
  DetailPrint "Moved $0, which was not made by an administrator, to $0.foreign-$8"
FunctionEnd

# Creates the service, or points an existing one to the new program; account and start type stay as the administrator
# left them.
Function RegisterService
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
  ${Else}
    System::Call "advapi32::ChangeServiceConfigW(p $Service, i ${SERVICE_NO_CHANGE}, i ${SERVICE_NO_CHANGE}, i ${SERVICE_NO_CHANGE}, w r3, p 0, p 0, p 0, p 0, p 0, w r2)i.r0"
    ${If} $0 = 0
      StrCpy $Message "The service acme could not be changed."
      ${Fail} 7
    ${EndIf}
  ${EndIf}
  Call DescribeService
FunctionEnd

# What the service works without: description, and what Windows does when it fails.
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
  System::Call "*(i 1)p.r1"
  System::Call "advapi32::ChangeServiceConfig2W(p $Service, i ${SERVICE_CONFIG_FAILURE_ACTIONS_FLAG}, p r1)"
  System::Free $1
FunctionEnd

Function StartService
  DetailPrint "Starting the service"
  System::Call "advapi32::StartServiceW(p $Service, i 0, p 0)"
  StrCpy $3 0
  ${Do}
    Call QueryState
    ${If} $0 = ${SERVICE_RUNNING}
      ${ExitDo}
    ${EndIf}
    ${If} $0 <> ${SERVICE_START_PENDING}
    ${OrIf} $3 > 35000
      StrCpy $Message "The service acme did not start. Check $ConfigFile; what it logged, if it came that far, is in $LogsFolder."
      ${Fail} 9
    ${EndIf}
    Sleep ${POLL_MS}
    IntOp $3 $3 + ${POLL_MS}
  ${Loop}
FunctionEnd

Section "-Program" Program
  # A second folder would orphan the first, whose uninstaller would take the service of the second away.
  ReadRegStr $0 HKLM "${UNINSTALL_KEY}\acme-gate" "InstallLocation"
  ${If} $0 != ""
  ${AndIf} $0 != $INSTDIR
    StrCpy $Message "Acme Gate is installed in $0. Uninstall it first to install it elsewhere."
    ${Fail} 11
  ${EndIf}
  Call OpenService
  ${If} $Service P<> 0
    Call StopService
  ${EndIf}

  # Asked before the file to compare with is replaced: a configuration that nobody edited follows the release.
  Call ConfigIsShipped
  StrCpy $R0 $0

  # Outside of Program Files, everybody may write into a folder that was just made.
  ${IfNot} ${FileExists} "$INSTDIR\*.*"
    CreateDirectory "$INSTDIR"
    StrCpy $0 "$INSTDIR"
    StrCpy $1 "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
    Call Secure
  ${EndIf}
  SetOutPath "$INSTDIR"
  File "acmed.exe"
  File "COPYING.txt"
  File "/oname=$ShippedConfig" "gate.toml"
  ClearErrors
  WriteUninstaller "$INSTDIR\uninstall.exe"
  ${If} ${Errors}
    StrCpy $Message "$INSTDIR\uninstall.exe could not be written."
    ${Fail} 2
  ${EndIf}

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
  ${If} $R0 = 1
  ${OrIfNot} ${FileExists} "$ConfigFile"
    File "/oname=$ConfigFile" "gate.toml"
  ${Else}
    DetailPrint "Kept $ConfigFile, which was edited; the default is $ShippedConfig"
  ${EndIf}
  StrCpy $0 "$ConfigFile"
  StrCpy $1 "O:BAD:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1200a9;;;NS)"
  Call Secure

  ClearErrors
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "DisplayName" "Acme Gate"
  WriteRegStr HKLM "${UNINSTALL_KEY}\acme-gate" "DisplayVersion" "1.2.0-rc.1"
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
  SectionGetSize ${Program} $0
  WriteRegDWORD HKLM "${UNINSTALL_KEY}\acme-gate" "EstimatedSize" $0
  ${If} ${Errors}
    StrCpy $Message "The registry could not be written."
    ${Fail} 2
  ${EndIf}

  Call RegisterService
  Call StartService
  Call CloseService
SectionEnd

!undef PREFIX
!define PREFIX "un."

Function un.onInit
  Call un.Prepare
FunctionEnd

Section "un.Program"
  Call un.OpenService
  # A service that runs another folder's program is not ours to remove.
  ReadRegStr $0 HKLM "SYSTEM\CurrentControlSet\Services\acme" "ImagePath"
  StrLen $1 "$\"$ProgramFile$\""
  StrCpy $2 $0 $1
  ${If} $Service P<> 0
  ${AndIf} $2 != "$\"$ProgramFile$\""
    StrCpy $Message "The service acme belongs to another folder: $0"
    ${Fail} 11
  ${EndIf}
  ${If} $Service P<> 0
    Call un.StopService
    System::Call "advapi32::DeleteService(p $Service)i.r0"
    ${If} $0 = 0
      StrCpy $Message "The service acme could not be removed."
      ${Fail} 7
    ${EndIf}
  ${EndIf}
  Call un.CloseService

  Call un.ConfigIsShipped
  ClearErrors
  ${If} $0 = 1
    Delete "$ConfigFile"
  ${ElseIf} ${FileExists} "$ConfigFile"
    DetailPrint "Kept $ConfigFile, which was edited"
  ${EndIf}
  Delete "$DataFolder\logs\acmed.log"
  # Only what was installed, one by one: a recursive delete has emptied other folders (electron-builder#3201).
  Delete "$ProgramFile"
  Delete "$INSTDIR\COPYING.txt"
  Delete "$ShippedConfig"
  ${If} ${Errors}
    StrCpy $Message "A file in $INSTDIR or $DataFolder could not be removed."
    ${Fail} 2
  ${EndIf}
  Delete "$INSTDIR\uninstall.exe"
  # Folders go only when they are empty.
  RMDir "$LogsFolder"
  RMDir "$DataFolder"
  RMDir "$INSTDIR"
  DeleteRegKey HKLM "${UNINSTALL_KEY}\acme-gate"
SectionEnd

!undef PREFIX
