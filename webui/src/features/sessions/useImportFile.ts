/** Reads a chosen file for an import and puts its problems into words. */
import { BadFile, MAX_BYTES } from '../../conversation/import/document'
import { useI18n } from '../../locales/useI18n'

export function useImportFile() {
  const { t } = useI18n()

  /** Passes the file's text to `use`. Returns what is wrong with the file, or null. */
  async function read(file: File, use: (text: string) => Promise<void>): Promise<string | null> {
    try {
      if (file.size > MAX_BYTES) throw new BadFile('tooLarge')
      await use(await file.text())
      return null
    } catch (error) {
      if (error instanceof BadFile) return t(`import.${error.reason}`, { where: error.where })
      // The browser could not read the file: it was deleted or is not permitted.
      if (error instanceof DOMException) return t('import.unreadable')
      throw error
    }
  }

  return { read }
}
